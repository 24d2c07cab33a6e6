"""One list of metrics: every row is produced, with its labels, in a text that Prometheus reads."""

import ast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamer import metrics
from streamer.metrics import STREAMER_METRICS, Meter, Metric, Sample
from streamer.model import PLAIN
from tests.fakes.clock import in_virtual_time
from tests.fakes.elastic import QUEUE_FULL
from tests.unit.builders import write
from tests.unit.delivery.stage import stage
from tests.unit.delivery.whole import whole
from tests.unit.sources import modules

SUFFIXES = {"counter": "_total", "gauge": "", "histogram": ""}


def parsed(exposition):
    return {family.name: family for family in text_string_to_metric_families(exposition.decode())}


def test_every_row_is_listed_once():
    rows = [row for row in vars(metrics).values() if isinstance(row, Metric)]
    assert set(rows) == set(STREAMER_METRICS)
    assert len({row.name for row in STREAMER_METRICS}) == len(STREAMER_METRICS)


def test_every_row_is_used_by_the_code():
    names = {name for name, row in vars(metrics).items() if isinstance(row, Metric)}
    used = {
        node.id
        for module in modules("streamer")
        if module.name != "streamer.metrics"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name)
    }
    assert names - used == set()


@pytest.mark.parametrize("row", STREAMER_METRICS, ids=lambda row: row.name)
def test_names_follow_the_conventions(row):
    assert row.name.startswith("streamer_")
    assert (row.kind == "counter") == row.name.endswith("_total")
    assert row.meaning
    assert not row.meaning.endswith(".")
    assert (row.kind == "histogram") == bool(row.buckets)
    assert list(row.buckets) == sorted(set(row.buckets))


@in_virtual_time
async def test_a_stream_at_work_gives_every_row_with_its_labels():
    async with stage() as world:
        all_of_it = await whole(world)
        world.runtime.meter.read_from(all_of_it.report)
        refusals = [QUEUE_FULL]
        world.elastic.fails = lambda _: refusals.pop() if refusals else None
        await all_of_it.take(b'{"text":"a","model_id":"x"}', b"{}", b"broken", b'{"text":"b"}')
        all_of_it.parts.watchers["for_ingest"]._show()
        await world.deliver()
        await world.deliver(PLAIN)
        await world.lookups._serve([write(unasked=True)])
        await all_of_it.desk.committed([], None)
        await all_of_it.take(b"broken", first=6)
        found = parsed(world.runtime.meter.exposition())
    for row in STREAMER_METRICS:
        family = found[row.name.removesuffix(SUFFIXES[row.kind])]
        assert family.type == row.kind
        assert family.documentation == row.meaning
        assert {name for sample in family.samples for name in sample.labels} - {"le"} == set(row.labels)
        places = [(sample.name, *sample.labels.items()) for sample in family.samples]
        assert len(set(places)) == len(places)
    samples = [sample for family in found.values() for sample in family.samples]
    value = {(sample.name, *sorted(sample.labels.values())): sample.value for sample in samples}
    assert value["streamer_records_total", "0", "films", "films", "indexed"] == 2
    assert value["streamer_records_total", "0", "films", "films", "no_text"] == 1
    assert value["streamer_records_total", "0", "dead_lettered", "films", "films"] == 1
    assert value["streamer_conservation_difference", "0", "films", "films"] == 0
    assert value["streamer_stripped_fields_total", "films"] == 1
    assert value["streamer_lag_records", "0", "films"] == 30
    assert value["streamer_rejections_total", "queue_full"] == 1


def test_an_unknown_metric_cannot_be_counted():
    meter = Meter(STREAMER_METRICS)
    with pytest.raises(KeyError):
        meter.add(Metric("streamer_unknown_total", "counter", (), "Unknown"))


@pytest.mark.parametrize("labels", [(), ("a", "b")])
def test_labels_are_those_of_the_row(labels):
    with pytest.raises(ValueError, match="label"):
        Meter(STREAMER_METRICS).add(metrics.COMMITS, *labels)


def test_values_of_a_histogram_are_counted_up_to_each_bound_and_once_above_all():
    meter = Meter(STREAMER_METRICS)
    meter.observe_all(metrics.BULK_DOCUMENTS, [1, 2, 3], PLAIN)
    meter.observe(metrics.BULK_DOCUMENTS, 513, PLAIN)
    samples = parsed(meter.exposition())["streamer_bulk_documents"].samples
    buckets = {sample.labels["le"]: sample.value for sample in samples if sample.name.endswith("_bucket")}
    assert [buckets[bound] for bound in ("1.0", "2.0", "4.0", "512.0", "+Inf")] == [1, 2, 3, 3, 4]
    rest = {sample.name: sample.value for sample in samples if "le" not in sample.labels}
    assert rest == {"streamer_bulk_documents_count": 4, "streamer_bulk_documents_sum": 519}


def test_readables_share_a_family_and_labels_are_escaped():
    class Shelf:
        def __init__(self, name):
            self.name = name

        def samples(self):
            yield Sample(metrics.HELD, (self.name,), 1)
            yield Sample(metrics.OUTSTANDING_BYTES, (), 5)

    meter = Meter(STREAMER_METRICS)
    meter.read_from(Shelf('a"\\\n'))
    family = parsed(meter.exposition())["streamer_held"]
    assert [sample.labels for sample in family.samples] == [{"deployment": 'a"\\\n'}]
