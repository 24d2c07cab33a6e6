"""The application without a broker: how it is made, what it reads and what its port answers."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from streamer.metrics import Meter
from streamer.ops.app import KEPT_WINDOWS, OPS_METRICS, Ops
from streamer.ops.connection import brokers, credentials
from streamer.ops.server import with_outcomes
from streamer.settings import KafkaSettings
from tests.unit.setup.samples import settings


async def test_windows_are_read_from_the_tables():
    ops = Ops(settings(), (10, 60), 1, "unused")
    kept = {"results": {"indexed": 4}, "rejections": {}}
    data = ops._tables[10].table.data
    for start in (100.0, 110.0, 110.0 - 10 * KEPT_WINDOWS):
        data[("films|films", (start, start + 9.9))] = kept
    found = ops.outcomes(10, now_s=112.0)
    assert [(part.start_ms, part.records, part.closed) for part in found["windows"]] == [
        (110_000, 4, False),
        (100_000, 4, True),
    ]
    assert found["totals"] == {"films -> films": {"results": {"indexed": 8}, "rejections": {}}}
    assert ops.outcomes(60, now_s=112.0)["windows"] == []


async def test_before_it_runs_it_is_alive_and_not_ready():
    ops = Ops(settings(), (10,), 1, "unused")
    assert ops.alive()
    assert not ops.ready()
    assert ops.status() == {"ready": False, "windows_s": [10]}


async def test_it_has_a_group_of_its_own_and_no_web_server():
    ops = Ops(settings(kafka={"group_id": "indexer"}), (10,), 3, "unused")
    assert ops.app.conf.id == "indexer-ops"
    assert ops.app.conf.web_enabled is False
    assert ops.app.conf.topic_partitions == 3


class FakeOps:
    sizes = (10, 60)

    def outcomes(self, size):
        return {"window_s": size}


@pytest.fixture
async def client():
    async with TestClient(TestServer(with_outcomes(web.Application(), FakeOps()))) as made:
        yield made


@pytest.mark.parametrize(("query", "size"), [("", 10), ("?window=60", 60)])
async def test_port_serves_the_window_that_is_asked_for(client, query, size):
    response = await client.get(f"/outcomes{query}")
    assert (response.status, await response.json()) == (200, {"window_s": size})


@pytest.mark.parametrize("query", ["?window=7", "?window=x", "?window="])
async def test_port_says_which_windows_there_are(client, query):
    response = await client.get(f"/outcomes{query}")
    assert (response.status, await response.json()) == (400, {"error": "window is one of 10, 60 seconds"})


def test_metrics_can_be_counted():
    meter = Meter(OPS_METRICS)
    meter.add(OPS_METRICS[0], "counted")
    assert b'streamer_ops_events_total{result="counted"} 1.0' in meter.exposition()


def test_brokers_as_faust_names_them():
    assert brokers(KafkaSettings(bootstrap_servers="a:1, b:2")) == ["kafka://a:1", "kafka://b:2"]


def test_credentials():
    assert credentials(KafkaSettings()) is None
    assert credentials(KafkaSettings(security_protocol="SSL")).protocol.value == "SSL"
    sasl = {"sasl_mechanism": "SCRAM-SHA-256", "sasl_username": "u", "sasl_password": "p"}
    assert credentials(KafkaSettings(security_protocol="SASL_PLAINTEXT", **sasl)).protocol.value == "SASL_PLAINTEXT"
    secure = credentials(KafkaSettings(security_protocol="SASL_SSL", **sasl))
    assert (secure.protocol.value, secure.username, secure.password) == ("SASL_SSL", "u", "p")
