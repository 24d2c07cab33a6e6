import msgspec
from rich.console import Console

from streamer.errors import KafkaUnavailable
from streamer.kafka.admin import Committed
from streamer.model import Partition
from streamer.tools.status import DeploymentStatus, IndexStatus, Lag, Status, _asked, chosen, lags
from streamer.tools.status_view import view

P0, P1 = Partition("films", 0), Partition("films", 1)
EMPTY = Status(group="streamer", lag=[], members=[], instance=None, deployments=[], indices=[], problems={})


def shown(status):
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    with console.file:
        console.print(view(status))
        return console.export_text()


def test_lag_counts_from_the_commit_or_from_the_first_record():
    found = lags({P0: 5, P1: 0}, {P1: 10, P0: 9}, {P1: Committed(4, "")})
    assert found == [Lag("films", 0, None, 9, 4), Lag("films", 1, 4, 10, 6)]


def test_a_commit_behind_the_end_of_a_topic_made_again_is_no_negative_lag():
    assert lags({P0: 0}, {P0: 2}, {P0: Committed(9, "")})[0].lag == 0


def test_patterns_choose_among_the_topics_that_exist():
    assert chosen(["films", "^news-.*", "films"], lambda: ["films", "news-1", "old-news-1"]) == ["films", "news-1"]


def test_topics_are_listed_for_patterns_only():
    def listed():
        raise AssertionError

    assert chosen(["films"], listed) == ["films"]


async def test_a_part_that_cannot_be_asked_is_a_problem_and_no_error():
    async def question():
        raise KafkaUnavailable

    problems = {}
    assert await _asked(problems, "lag", question) is None
    assert problems == {"lag": "no Kafka broker answered in time"}


def test_what_is_not_used_again_is_said_with_its_reason():
    status = msgspec.structs.replace(EMPTY, instance={"reuse_off": {"films": "flow.reuse_tokens is false"}})
    assert "route films: tokens of unchanged texts are not used again, flow.reuse_tokens is false" in shown(status)
    assert "not used again" not in shown(msgspec.structs.replace(EMPTY, instance={"reuse_off": {}}))


def test_view_of_nothing_but_problems():
    text = shown(
        Status(
            group="streamer",
            lag=[],
            members=[],
            instance=None,
            deployments=[],
            indices=[],
            problems={"group": "no Kafka broker answered in time", "lag": "no broker"},
        )
    )
    assert "group: no Kafka broker answered in time" in text
    assert "members" not in text


def test_view_of_all_parts():
    status = Status(
        group="streamer",
        lag=[Lag("films", 0, None, 9, 4), Lag("films", 1, 4, 10_000, 9_996)],
        members=[{"client": "indexer", "partitions": ["films-0", "films-1"]}],
        instance={"instance": "a", "state": "holding", "hold": "not deployed", "rate_per_s": 2.5, "in_flight": 3},
        deployments=[DeploymentStatus("for_ingest", "started", 1, 7, 2, 0.97, 361.0)],
        indices=[IndexStatus("films", 9_750)],
        problems={},
    )
    text = shown(status)
    for part in (
        "10,000",
        "indexer (2 partitions)",
        "streamer a: holding, 2.5/s, waiting 0, in flight 3, rejections 0, HOLD: not deployed",
        "97%",
        "361",
        "index films: 9,750 documents",
    ):
        assert part in text
    assert text.splitlines()[3].split() == ["all", "10,000"]


def test_an_empty_group_is_said_to_be_one():
    assert "group streamer: no members" in shown(EMPTY)
