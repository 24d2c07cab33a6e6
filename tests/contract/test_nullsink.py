import pytest
from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk

from compose.local.nullsink import NullSink, NullSinkSettings


def actions(count):
    for number in range(count):
        yield {"_index": "films", "_id": str(number), "title": f"film {number}"}


@pytest.fixture
async def sink():
    async with NullSink(NullSinkSettings()) as sink:
        yield sink


@pytest.fixture
async def client(sink):
    async with AsyncElasticsearch(sink.url) as client:
        yield client


async def test_the_client_accepts_it_as_elasticsearch(client):
    assert await client.ping()
    assert (await client.info())["version"]["number"] == "9.1.0"


async def test_the_bulk_helper_indexes_everything(client, sink):
    assert await async_bulk(client, actions(1200), chunk_size=500) == (1200, [])
    assert sink.counted()["items"] == 1200


async def test_a_compressed_bulk_is_read(sink):
    async with AsyncElasticsearch(sink.url, http_compress=True) as client:
        assert await async_bulk(client, actions(10)) == (10, [])


async def test_operations_pipeline_and_filter_are_understood(client):
    operations = [{"index": {"_id": "1"}}, {"t": 1}, {"delete": {"_id": "2"}}, {"update": {"_id": "3"}}, {"doc": {}}]
    answer = await client.bulk(
        index="films", pipeline="elser", operations=operations, filter_path="errors,ingest_took,items.*.status"
    )
    statuses = [{"index": {"status": 201}}, {"delete": {"status": 200}}, {"update": {"status": 200}}]
    assert answer.body == {"errors": False, "ingest_took": 0, "items": statuses}


async def test_a_malformed_bulk_is_a_400(client):
    answer = await client.options(ignore_status=400).bulk(body=b'{"foo":{}}\n{}\n')
    assert answer.meta.status == 400
    assert answer["error"]["type"] == "illegal_argument_exception"


async def test_refused_items_keep_their_place():
    async with NullSink(NullSinkSettings(reject_share=0.5, seed=1)) as sink, AsyncElasticsearch(sink.url) as client:
        operations = [line for number in range(100) for line in ({"index": {"_id": str(number)}}, {})]
        answer = await client.bulk(index="films", operations=operations)
        assert answer["errors"]
        assert [item["index"]["_id"] for item in answer["items"]] == [str(number) for number in range(100)]
        refused = sum(item["index"]["status"] == 429 for item in answer["items"])
        assert refused == sink.counted()["rejected"]
        assert 20 < refused < 80


async def test_a_wait_for_each_item_is_shown_as_time_taken():
    async with NullSink(NullSinkSettings(wait_per_item_s=0.01)) as sink, AsyncElasticsearch(sink.url) as client:
        answer = await client.bulk(index="films", operations=[{"index": {}}, {}] * 10)
        assert answer["took"] >= 100


async def test_an_unknown_route_is_a_404(client):
    answer = await client.options(ignore_status=404).search(index="films")
    assert answer.meta.status == 404


@pytest.mark.parametrize(
    "filter_path",
    [None, "errors,items.*.status,items.*.error", "errors", "items.*.error", "items.*._id", "-items.*._shards,-took"],
)
async def test_an_answer_has_the_parts_that_elasticsearch_gives(sink, stack, filter_path):
    operations = [{"index": {"_id": "1", "version": 7, "version_type": "external"}}, {"t": 1}]
    operations += [{"delete": {"_id": "1", "version": 9, "version_type": "external"}}, {"create": {"_id": "2"}}, {}]
    answers = []
    for url in (sink.url, stack.elasticsearch_url):
        async with AsyncElasticsearch(url) as client:
            answers.append((await client.bulk(index="nullsink", operations=operations, filter_path=filter_path)).body)
            if url == stack.elasticsearch_url:
                await client.indices.delete(index="nullsink")
    assert normal(answers[0]) == normal(answers[1])


def normal(answer, name=""):
    """An answer without what counts or measures."""
    if name in {"took", "_seq_no", "_shards"}:
        return None
    if isinstance(answer, dict):
        return {key: normal(value, key) for key, value in answer.items()}
    return [normal(value) for value in answer] if isinstance(answer, list) else answer
