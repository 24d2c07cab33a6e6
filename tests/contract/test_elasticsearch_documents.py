"""Routes of pipelines, indices, bulks and searches through the unchanged client."""

import pytest

import schemas
from tests.contract.sandbox import error_of, items_of, refusal

MISSING = "field [text] not present as part of path [text]"


async def filled(sandbox, texts):
    """Return a deployment and an index with an encoded document for each text."""
    deployment = await sandbox.deployment()
    index = await sandbox.index(refresh_interval="-1")
    items = await sandbox.bulk(index, texts, await sandbox.pipeline(deployment.id))
    assert {item["status"] for item in items} == {201}
    await sandbox.client.indices.refresh(index=index)
    return deployment, index


def scores(answer):
    return {hit["_id"]: hit["_score"] for hit in answer["hits"]["hits"]}


# --- pipelines


async def test_a_pipeline_is_given_back_as_it_was_put(sandbox):
    body = schemas.body("pipeline")
    body["processors"][0]["inference"] |= {
        "model_id": "later",
        "input_output": [{"input_field": "text", "output_field": "tokens"}],
    }
    name = sandbox.new("/_ingest/pipeline/{}")
    await sandbox.client.ingest.put_pipeline(id=name, body=body)
    found = (await sandbox.client.ingest.get_pipeline(id=name))[name]
    assert {key: found[key] for key in body} == body
    assert (
        await sandbox.client.options(ignore_status=404).ingest.get_pipeline(id="no-such-pipeline")
    ).meta.status == 404


@pytest.mark.parametrize(
    ("processor", "reason"),
    [
        ({"no_such_processor": {}}, "No processor type exists with name [no_such_processor]"),
        ({"inference": {"input_output": []}}, "[model_id] required property is missing"),
        ({"inference": {"model_id": "m", "input_output": [{"input_field": "a"}]}}, "[output_field]"),
        ({"inference": {"model_id": "m", "input_output": [], "field_map": {}}}, "incompatible with [input_output]"),
        ({"inference": {"model_id": "m", "ignore_mising": True}}, "doesn't support one or more provided"),
    ],
)
async def test_a_wrong_pipeline_is_refused(client, processor, reason):
    found = await refusal(client.ingest.put_pipeline(id="wrong", processors=[processor]))
    assert found[:2] == (400, "parse_exception")
    assert reason in found[2]


async def test_simulate_shows_what_the_inference_processor_writes(sandbox):
    deployment = await sandbox.deployment()
    strict = await sandbox.pipeline(deployment.id, ignore_missing=False)
    sources = [{"text": "one two two"}, {"other": 1}, {"text": "word " * 600}]
    answer = await sandbox.client.ingest.simulate(id=strict, docs=[{"_source": source} for source in sources])
    written, missing, long = answer["docs"]
    assert written["doc"]["_source"]["tokens"] == {"one": 1.0, "two": pytest.approx(1.6931472)}
    assert written["doc"]["_source"]["model_id"] == deployment.id
    assert "is_truncated" not in written["doc"]["_source"]
    assert missing["error"]["reason"] == MISSING
    assert long["doc"]["_source"]["is_truncated"] is True


async def test_a_missing_first_input_skips_all_and_results_are_appended(sandbox):
    deployment = await sandbox.deployment()
    pairs = [{"input_field": name, "output_field": f"{name}_tokens"} for name in ("a", "b")]
    pipeline = await sandbox.pipeline(deployment.id, input_output=pairs)
    sources = [{"b": "two"}, {"a": "one"}, {"a": "one", "b": "two", "a_tokens": {"old": 2.0}}]
    answer = await sandbox.client.ingest.simulate(id=pipeline, docs=[{"_source": source} for source in sources])
    skipped, second_empty, appended = (entry["doc"]["_source"] for entry in answer["docs"])
    assert skipped == {"b": "two"}
    assert second_empty["a_tokens"] == {"one": 1.0}
    assert "b_tokens" in second_empty
    assert appended["a_tokens"] == [{"old": 2.0}, {"one": 1.0}]


# --- indices


async def test_an_index_comes_with_its_alias_and_shows_flat_settings(sandbox):
    alias = f"{sandbox.name}-alias"
    index = await sandbox.index(alias=alias, gc_deletes="1h")
    found = (await sandbox.client.indices.get(index=alias, flat_settings=True))[index]
    assert found["aliases"] == {alias: {"is_write_index": True}}
    assert found["settings"]["index.gc_deletes"] == "1h"
    properties = found["mappings"]["properties"]
    assert properties["tokens"] == {"type": "sparse_vector"}
    assert properties["text"] == {"type": "text", "analyzer": "english"}
    assert await sandbox.client.indices.exists_alias(name=alias)
    again = await refusal(sandbox.client.indices.create(index=index))
    assert again[:2] == (400, "resource_already_exists_exception")
    absent = await refusal(sandbox.client.indices.get(index="no-such-index"))
    assert absent[:2] == (404, "index_not_found_exception")


async def test_the_streamers_own_index_bodies_are_accepted(sandbox):
    for kind in ("index", "state"):
        name = sandbox.new()
        await sandbox.client.indices.create(index=name, body=schemas.body(kind))
        found = (await sandbox.client.indices.get_mapping(index=name))[name]["mappings"]["properties"]
        assert found.keys() == schemas.body(kind)["mappings"]["properties"].keys()


async def test_the_english_analyzer_stems_and_stops(sandbox):
    index = await sandbox.index()
    answer = await sandbox.client.indices.analyze(index=index, field="text", text="The Running Foxes' shoes")
    assert [token["token"] for token in answer["tokens"]] == ["run", "fox", "shoe"]


async def test_create_is_refused_when_the_document_is_there(sandbox):
    index = await sandbox.index()
    assert (await sandbox.client.create(index=index, id="a:b/c", document={"number": 1}))["_version"] == 1
    assert (await sandbox.client.get(index=index, id="a:b/c"))["_source"] == {"number": 1}
    again = await refusal(sandbox.client.create(index=index, id="a:b/c", document={"number": 2}))
    assert again[:2] == (409, "version_conflict_engine_exception")
    absent = await sandbox.client.options(ignore_status=404).get(index=index, id="nobody")
    assert (absent.meta.status, absent["found"]) == (404, False)


# --- bulk


async def test_each_action_chooses_its_pipeline_and_version(sandbox):
    deployment = await sandbox.deployment()
    alias = f"{sandbox.name}-alias"
    index, pipeline = await sandbox.index(alias=alias), await sandbox.pipeline(deployment.id)
    versioned = {"_index": alias, "require_alias": True, "version": 7, "version_type": "external"}
    operations = [
        {"index": versioned | {"_id": "tokens", "pipeline": pipeline}},
        {"text": "a"},
        {"index": versioned | {"_id": "plain", "pipeline": "_none"}},
        {"text": "a"},
        {"delete": {"_index": alias, "_id": "nobody", "version": 7, "version_type": "external"}},
        {"index": {"_index": index, "_id": "no alias", "require_alias": True, "pipeline": pipeline}},
        {"text": "a"},
    ]
    answer = await sandbox.client.bulk(operations=operations)
    items = items_of(answer)
    assert [item["status"] for item in items] == [201, 201, 404, 404]
    assert [item["_version"] for item in items[:3]] == [7, 7, 7]
    assert {item["_index"] for item in items[:3]} == {index}
    assert error_of(items[3])[1] == "index_not_found_exception"
    assert answer["ingest_took"] >= 0
    assert "tokens" in (await sandbox.client.get(index=alias, id="tokens"))["_source"]
    assert (await sandbox.client.get(index=alias, id="plain"))["_source"] == {"text": "a"}


async def test_filter_path_keeps_the_place_of_every_item(sandbox):
    index = await sandbox.index(dynamic="strict")
    operations = []
    for source in ({}, {"unknown": 1}, {}):
        operations += [{"index": {"_index": index}}, source]
    answer = await sandbox.client.bulk(operations=operations, filter_path="errors,items.*.status,items.*.error.type")
    assert answer.body == {
        "errors": True,
        "items": [
            {"index": {"status": 201}},
            {"index": {"status": 400, "error": {"type": "strict_dynamic_mapping_exception"}}},
            {"index": {"status": 201}},
        ],
    }


async def test_error_texts_can_be_kept_free_of_documents(sandbox):
    index = await sandbox.index()
    body = b'{"index":{"_index":"%s"}}\n{"text": "secret", }\n' % index.encode()
    shown, hidden = [
        items_of(await sandbox.client.bulk(operations=body, include_source_on_error=include))[0]
        for include in (True, False)
    ]
    assert "secret" in error_of(shown)[2]
    assert "secret" not in error_of(hidden)[2]


# --- searches


async def test_tokens_are_found_by_inference_and_by_vector_alike(sandbox):
    deployment, index = await filled(sandbox, ["red fox", "red hen", "blue hen hen"])
    inferred = {"field": "tokens", "inference_id": deployment.id, "query": "red hen"}
    given = {"field": "tokens", "query_vector": {"red": 1.0, "hen": 1.0}, "prune": False}
    found = [scores(await sandbox.client.search(index=index, query={"sparse_vector": it})) for it in (inferred, given)]
    assert found[0] == found[1]
    assert list(found[0]) == ["1", "2", "0"]
    assert found[0]["2"] == pytest.approx(1.693, rel=0.005)
    node = await deployment.node()
    assert node["inference_count"] == 4


async def test_pruning_drops_frequent_light_tokens_and_only_if_asked(sandbox):
    texts = [f"the word{number}" for number in range(10)] + [f"a b{number} c{number}" for number in range(30)]
    _, index = await filled(sandbox, texts)
    vector = {"the": 0.1, "word1": 2.0}

    async def found(**pruning):
        query = {"sparse_vector": {"field": "tokens", "query_vector": vector, **pruning}}
        return set(scores(await sandbox.client.search(index=index, query=query, size=100)))

    assert await found(prune=False) == {str(number) for number in range(10)}
    assert await found(prune=True, pruning_config={"tokens_freq_ratio_threshold": 1}) == {"1"}
    wrong = found(prune=True, pruning_config={"tokens_freq_ratio_threshold": 200})
    assert (await refusal(wrong))[0] == 400


async def test_wrong_sparse_queries_say_what_is_wrong(sandbox):
    _, index = await filled(sandbox, ["a"])

    async def answer(**query):
        return await refusal(sandbox.client.search(index=index, query={"sparse_vector": query}))

    absent = (404, "status_exception", "[nobody] is not an inference service model or a deployed ml model")
    assert await answer(field="tokens", inference_id="nobody", query="a") == absent
    other = await sandbox.client.options(ignore_status=400).search(
        index=index, query={"sparse_vector": {"field": "text", "query_vector": {"a": 1.0}}}
    )
    assert "field [text] must be type [sparse_vector] but is type [text]" in other["error"]["root_cause"][0]["reason"]
    assert (await answer(field="tokens", query_vector={"a": 1.0}, query="a"))[:2] == (400, "parsing_exception")


async def test_the_search_services_requests_are_understood(sandbox):
    _, index = await filled(sandbox, ["red fox", "red hens running", "blue hen"])
    parts = [
        {"sparse_vector": {"field": "tokens", "query_vector": {"red": 2.0}, "prune": False, "boost": 1.0}},
        {"multi_match": {"query": "run", "type": "best_fields", "fields": ["text^2"], "boost": 4.0}},
    ]
    query = {"bool": {"should": parts, "minimum_should_match": 1, "filter": [{"exists": {"field": "model_id"}}]}}
    answer = await sandbox.client.search(
        index=index, query=query, size=5, source={"excludes": ["tokens"]}, track_total_hits=False, timeout="5000ms",
        filter_path="took,timed_out,hits.hits",
    )  # fmt: skip
    assert answer.body.keys() == {"took", "timed_out", "hits"}
    assert list(scores(answer)) == ["1", "0"]
    assert all("tokens" not in hit["_source"] for hit in answer["hits"]["hits"])


async def test_counts_count_what_matches(sandbox):
    _, index = await filled(sandbox, ["red fox", "red hen", "blue hen"])
    assert (await sandbox.client.count(index=index))["count"] == 3
    assert (await sandbox.client.count(index=index, query={"match": {"text": "hens"}}))["count"] == 2
    assert (await refusal(sandbox.client.count(index="no-such-index")))[:2] == (404, "index_not_found_exception")
