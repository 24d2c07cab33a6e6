"""Elastic's tutorial "Semantic search with ELSER", request by request, with the real encoder."""

import pytest

from tests.contract.sandbox import refusal, until

# The tutorial uses the tasks API, which is in technical preview.
pytestmark = pytest.mark.filterwarnings("ignore::elasticsearch.exceptions.GeneralAvailabilityWarning")

PASSAGES = {
    "1": "Stretching and rest help sore muscles to heal after a long run.",
    "2": "The parliament passed a law about the tax on imported wine.",
    "3": "Drink water before and after running, and toxins leave the body.",
    "4": "A recipe for soup with carrots and onions.",
}
QUESTION = "How to avoid muscle soreness after running?"


@pytest.fixture
async def test_data(sandbox):
    """The tutorial's source index."""
    name = sandbox.new()
    operations = []
    for number, content in PASSAGES.items():
        operations += [{"index": {"_index": name, "_id": number}}, {"id": int(number), "content": content}]
    await sandbox.client.bulk(operations=operations, refresh=True)
    return name


async def destination(sandbox, **mappings):
    name = sandbox.new()
    properties = {"content_embedding": {"type": "sparse_vector"}, "content": {"type": "text"}}
    await sandbox.client.indices.create(index=name, mappings={**mappings, "properties": properties})
    return name


async def tutorial_pipeline(sandbox, model_id):
    pairs = [{"input_field": "content", "output_field": "content_embedding"}]
    return await sandbox.pipeline(model_id, input_output=pairs, ignore_missing=False)


async def reindex(sandbox, source, dest, pipeline):
    """Start a reindex in the background and return its task."""
    answer = await sandbox.client.reindex(
        source={"index": source, "size": 2}, dest={"index": dest, "pipeline": pipeline}, wait_for_completion=False
    )
    return answer["task"]


async def ended(client, task):
    """Return the task when it has ended."""

    async def done():
        found = await client.tasks.get(task_id=task)
        return found if found["completed"] else None

    return await until(done, "the end of the reindex")


async def test_the_tutorial_from_end_to_end(sandbox, test_data):
    client, deployment = sandbox.client, await sandbox.deployment(".elser_model_2")
    index = await destination(sandbox)
    task = await reindex(sandbox, test_data, index, await tutorial_pipeline(sandbox, deployment.id))
    found = await ended(client, task)
    response = found["response"]
    assert (response["total"], response["created"], response["failures"]) == (4, 4, [])
    assert response["batches"] == 2
    await client.indices.refresh(index=index)

    semantic = {"field": "content_embedding", "inference_id": deployment.endpoint, "query": QUESTION}
    answer = await client.search(index=index, query={"sparse_vector": semantic})
    best = answer["hits"]["hits"][0]
    assert best["_id"] == "1"
    assert best["_source"]["content_embedding"]
    assert best["_source"]["model_id"] == deployment.id
    should = [{"sparse_vector": semantic | {"boost": 1}}, {"query_string": {"query": "toxins", "boost": 4}}]
    scores = {
        hit["_id"]: hit["_score"]
        for hit in (await client.search(index=index, query={"bool": {"should": should}}))["hits"]["hits"]
    }
    assert set(list(scores)[:2]) == {"1", "3"}
    cut = sorted(scores.values())[-2]
    few = await client.search(index=index, query={"bool": {"should": should}}, min_score=cut)
    assert len(few["hits"]["hits"]) == 2


async def test_tokens_left_out_of_the_source_are_still_searched(sandbox, test_data):
    client, deployment = sandbox.client, await sandbox.deployment(".elser_model_2")
    index = await destination(sandbox, _source={"excludes": ["content_embedding"]})
    pipeline = await tutorial_pipeline(sandbox, deployment.id)
    done = await client.reindex(source={"index": test_data}, dest={"index": index, "pipeline": pipeline}, refresh=True)
    assert done["created"] == 4
    semantic = {"field": "content_embedding", "inference_id": deployment.id, "query": QUESTION}
    best = (await client.search(index=index, query={"sparse_vector": semantic}))["hits"]["hits"][0]
    assert best["_id"] == "1"
    assert "content_embedding" not in best["_source"]


async def test_a_reindex_is_cancelled_between_its_batches(sandbox, test_data):
    deployment = await sandbox.deployment()
    index = await destination(sandbox)
    fault = await sandbox.fault("stall", deployment=deployment.id)
    task = await reindex(sandbox, test_data, index, await tutorial_pipeline(sandbox, deployment.id))
    await deployment.await_pending(2)
    listed = await sandbox.client.tasks.get(task_id=task)
    assert (listed["completed"], listed["task"]["action"]) == (False, "indices:data/write/reindex")
    cancelled = await sandbox.client.tasks.cancel(task_id=task)
    assert "node_failures" not in cancelled
    await sandbox.heal(fault)
    response = (await ended(sandbox.client, task))["response"]
    assert response["canceled"] == "by user request"
    assert response["created"] == 2
    assert (await deployment.node())["inference_count"] == 2


async def test_a_task_that_nobody_started_is_a_404(client):
    node = next(iter((await client.nodes.info())["nodes"]))
    assert (await refusal(client.tasks.get(task_id=f"{node}:99999999")))[:2] == (404, "resource_not_found_exception")
