"""Routes of the ML node through the unchanged client: deployments, models, inference endpoints, and HTTP itself."""

import httpx
import pytest
from elasticsearch import AsyncElasticsearch

from tests.contract.sandbox import refusal

STATUS = "status_exception"
VALIDATION = "action_request_validation_exception"
NOT_FOUND = "resource_not_found_exception"
LIMIT_BYTES = 100 * 1024 * 1024


@pytest.fixture
async def plain(stack):
    async with httpx.AsyncClient(base_url=stack.elasticsearch_url, timeout=60) as plain:
        yield plain


# --- HTTP


async def test_the_client_accepts_the_node(client):
    assert await client.ping()
    info = await client.info()
    assert info["version"]["number"] == "9.1.0"
    assert info["tagline"] == "You Know, for Search"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/_ml/trained_models/synthetic/_stats", 200),
        ("GET", "/_ml/trained_models/no-such-model", 404),
        ("GET", "/no-such-index/_search", 404),
        ("GET", "/no/such/route", 400),
        ("DELETE", "/_bulk", 405),
    ],
)
async def test_every_answer_names_the_product(plain, method, path, status):
    answer = await plain.request(method, path)
    assert answer.status_code == status
    assert answer.headers["x-elastic-product"] == "Elasticsearch"


async def test_paths_and_methods_that_do_not_exist_say_so_in_a_text(plain):
    answer = await plain.get("/no/such/route")
    assert answer.json() == {"error": "no handler found for uri [/no/such/route] and method [GET]"}
    answer = await plain.patch("/_ml/trained_models/_stats")
    reason = "Incorrect HTTP method for uri [/_ml/trained_models/_stats] and method [PATCH], allowed: [GET]"
    assert (answer.status_code, answer.json()) == (405, {"error": reason, "status": 405})
    assert answer.headers["allow"] == "GET"


async def test_an_unknown_parameter_is_refused(plain):
    answer = await plain.get("/_cluster/health?colour=green")
    assert answer.status_code == 400
    assert "contains unrecognized parameter: [colour]" in answer.json()["error"]["reason"]


async def test_a_body_over_the_limit_is_a_413_without_a_body(plain):
    answer = await plain.post("/_bulk", content=b"x" * (LIMIT_BYTES + 1), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.content) == (413, b"")


async def test_compressed_bodies_are_read(stack, sandbox):
    index = await sandbox.index()
    async with AsyncElasticsearch(stack.elasticsearch_url, http_compress=True) as client:
        answer = await client.bulk(operations=[{"index": {"_index": index}}, {"text": "a" * 5_000}])
    assert answer["errors"] is False


async def test_cluster_health_waits_for_what_it_is_asked(client):
    answer = await client.cluster.health(wait_for_status="yellow", timeout="10s")
    assert answer["timed_out"] is False
    assert (answer["number_of_nodes"], answer["status"] in {"green", "yellow"}) == (1, True)


# --- models


async def test_the_models_are_listed(client):
    answer = await client.ml.get_trained_models()
    models = {config["model_id"]: config for config in answer["trained_model_configs"]}
    assert models.keys() >= {".elser_model_2", ".elser_model_2_linux-x86_64", "synthetic"}
    elser = models[".elser_model_2"]
    assert (elser["model_type"], elser["input"]) == ("pytorch", {"field_names": ["text_field"]})
    assert "text_expansion" in elser["inference_config"]
    only = await client.ml.get_trained_models(model_id=".elser*")
    assert only["count"] == 2
    assert (await refusal(client.ml.get_trained_models(model_id="no-such-model")))[:2] == (404, NOT_FOUND)


# --- deployments


async def test_starting_answers_with_the_assignment(sandbox):
    client, name = sandbox.client, sandbox.new("/_inference/{}")
    answer = await client.ml.start_trained_model_deployment(
        model_id="synthetic",
        deployment_id=name,
        number_of_allocations=2,
        threads_per_allocation=4,
        queue_capacity=33,
        cache_size="1mb",
        wait_for="fully_allocated",
    )
    assignment = answer["assignment"]
    expected = {
        "model_id": "synthetic",
        "deployment_id": name,
        "number_of_allocations": 2,
        "threads_per_allocation": 4,
        "queue_capacity": 33,
        "priority": "normal",
    }
    assert {key: assignment["task_parameters"][key] for key in expected} == expected
    (route,) = assignment["routing_table"].values()
    assert route == {"current_allocations": 2, "target_allocations": 2, "routing_state": "started"}
    assert assignment["assignment_state"] == "started"
    assert (await client.ml.stop_trained_model_deployment(model_id=name)).body == {"stopped": True}
    assert (await refusal(client.ml.get_trained_models_stats(model_id=name)))[0] == 404


@pytest.mark.parametrize(
    ("options", "status", "kind", "text"),
    [
        ({"model_id": "no-such-model"}, 404, NOT_FOUND, "No known trained model with model_id [no-such-model]"),
        ({"threads_per_allocation": 3}, 400, VALIDATION, "must be a power of 2 less than or equal to 32"),
        ({"threads_per_allocation": 64}, 400, VALIDATION, "must be a power of 2 less than or equal to 32"),
        ({"number_of_allocations": 0}, 400, VALIDATION, "[number_of_allocations] must be a positive integer"),
        ({"queue_capacity": 0}, 400, VALIDATION, "[queue_capacity] must be a positive integer"),
        ({"queue_capacity": 100_001}, 400, VALIDATION, "[queue_capacity] must be less than 100000"),
        ({"priority": "low", "number_of_allocations": 2}, 400, VALIDATION, "low"),
        ({"deployment_id": ".elser_model_2"}, 400, STATUS, "is the same as an another model"),
        (
            {"adaptive_allocations": {"enabled": True}, "number_of_allocations": 2},
            400,
            VALIDATION,
            "[number_of_allocations] cannot be set if adaptive allocations is enabled",
        ),
        (
            {"adaptive_allocations": {"enabled": True, "min_number_of_allocations": 3, "max_number_of_allocations": 2}},
            400,
            VALIDATION,
            "min_number_of_allocations",
        ),
    ],
)
async def test_a_wrong_start_is_refused_and_leaves_nothing(sandbox, options, status, kind, text):
    name = sandbox.new("/_inference/{}")
    given = {"model_id": "synthetic", "deployment_id": name} | options
    found = await refusal(sandbox.client.ml.start_trained_model_deployment(**given))
    assert found[:2] == (status, kind)
    assert text in found[2]
    assert (await refusal(sandbox.client.ml.get_trained_models_stats(model_id=name)))[0] == 404


async def test_an_id_is_given_once(sandbox):
    deployment = await sandbox.deployment()
    again = sandbox.client.ml.start_trained_model_deployment(model_id="synthetic", deployment_id=deployment.id)
    reason = f"Could not start model deployment because an existing deployment with the same id [{deployment.id}] exist"
    assert await refusal(again) == (400, STATUS, reason)


async def test_stopping_asks_twice_what_a_pipeline_uses(sandbox):
    deployment = await sandbox.deployment()
    await sandbox.pipeline(deployment.id)
    stop = sandbox.client.ml.stop_trained_model_deployment
    status, kind, reason = await refusal(stop(model_id=deployment.id))
    assert (status, kind) == (409, STATUS)
    assert reason == (
        f"Cannot stop deployment [{deployment.id}] as it is referenced by ingest processors; "
        "use force to stop the deployment"
    )
    assert (await stop(model_id=deployment.id, force=True)).body == {"stopped": True}
    assert (await stop(model_id=deployment.id)).body == {"stopped": True}
    absent = (404, NOT_FOUND, f"No known model deployment with id [{deployment.id}]")
    assert await refusal(stop(model_id=deployment.id, allow_no_match=False)) == absent


async def test_updating_changes_the_allocations_and_nothing_else(sandbox):
    deployment = await sandbox.deployment(queue_capacity=5)
    update = sandbox.client.ml.update_trained_model_deployment
    answer = await update(model_id=deployment.id, number_of_allocations=3)
    assert answer["assignment"]["task_parameters"]["number_of_allocations"] == 3
    await deployment.await_node(number_of_allocations=3)
    stats = await deployment.stats()
    assert (stats["number_of_allocations"], stats["queue_capacity"]) == (3, 5)
    zero = await refusal(update(model_id=deployment.id, number_of_allocations=0))
    assert zero[:2] == (400, VALIDATION)
    assert (await refusal(update(model_id=deployment.id)))[0] == 400
    assert (await refusal(update(model_id="no-such-id", number_of_allocations=2)))[:2] == (404, NOT_FOUND)
    path = f"/_ml/trained_models/{deployment.id}/deployment/_update"
    headers = {"accept": "application/json", "content-type": "application/json"}
    body = {"queue_capacity": 9}
    found = await refusal(sandbox.client.perform_request("POST", path, headers=headers, body=body))
    assert found[:2] == (400, "x_content_parse_exception")
    assert "unknown field [queue_capacity]" in found[2]


# --- inference endpoints

OWN = {
    "service": "elasticsearch",
    "service_settings": {"model_id": "synthetic", "num_threads": 1, "num_allocations": 2},
}
SPARSE = {"task_type": "sparse_embedding"}


async def test_an_endpoint_lives_with_its_own_deployment(sandbox):
    inference, name = sandbox.client.inference, sandbox.new("/_inference/{}?force=true")
    made = await inference.put(inference_id=name, inference_config=OWN, **SPARSE)
    assert (made["inference_id"], made["task_type"], made["service"]) == (name, "sparse_embedding", "elasticsearch")
    assert made["service_settings"] == OWN["service_settings"]
    assert made["chunking_settings"] == {"strategy": "sentence", "max_chunk_size": 250, "sentence_overlap": 1}
    found = await inference.get(inference_id=name, **SPARSE)
    assert found["endpoints"] == [made.body]
    stats = await sandbox.client.ml.get_trained_models_stats(model_id=name)
    deployment = stats["trained_model_stats"][0]["deployment_stats"]
    assert (deployment["deployment_id"], deployment["number_of_allocations"]) == (name, 2)
    assert deployment["queue_capacity"] == 1_024
    assert (await inference.delete(inference_id=name, **SPARSE))["acknowledged"] is True
    absent = (404, NOT_FOUND, f"Inference endpoint not found [{name}]")
    assert await refusal(inference.get(inference_id=name)) == absent
    assert (await refusal(sandbox.client.ml.get_trained_models_stats(model_id=name)))[0] == 404


async def test_an_attached_endpoint_leaves_the_deployment(sandbox):
    deployment = await sandbox.deployment()
    found = await sandbox.client.inference.get(inference_id=deployment.endpoint)
    (endpoint,) = found["endpoints"]
    assert endpoint["service_settings"]["deployment_id"] == deployment.id
    await sandbox.client.inference.delete(inference_id=deployment.endpoint)
    assert (await deployment.stats())["state"] == "started"


async def test_the_preconfigured_endpoint_is_listed(client):
    found = await client.inference.get()
    assert ".elser-2-elasticsearch" in {endpoint["inference_id"] for endpoint in found["endpoints"]}


@pytest.mark.parametrize(
    ("name", "config", "status", "text"),
    [
        ("synthetic", OWN, 400, "matches existing trained model ID(s) but must not"),
        (None, {**OWN, "service": "nobody"}, 400, "Unknown service [nobody]"),
        (None, {**OWN, "service_settings": {"model_id": "synthetic"}}, 400, "required setting [num_threads]"),
        (None, {**OWN, "service_settings": OWN["service_settings"] | {"model_id": "none"}}, 404, "No known trained"),
        (None, {**OWN, "service_settings": {"deployment_id": "no-such-id"}}, 404, "No known model deployment"),
    ],
)
async def test_a_wrong_endpoint_is_refused_and_not_made(sandbox, name, config, status, text):
    name = name or sandbox.new("/_inference/{}?force=true")
    found = await refusal(sandbox.client.inference.put(inference_id=name, inference_config=config, **SPARSE))
    assert found[0] == status
    assert text in found[2]
    assert (await refusal(sandbox.client.inference.get(inference_id=name)))[0] == 404


async def test_an_endpoint_answers_one_embedding_for_each_text(sandbox):
    deployment = await sandbox.deployment()
    infer = sandbox.client.inference.sparse_embedding
    one = await infer(inference_id=deployment.endpoint, input="two words")
    assert one.body == {"sparse_embedding": [{"is_truncated": False, "embedding": {"two": 1.0, "words": 1.0}}]}
    several = await infer(inference_id=deployment.endpoint, input=["a", "b", "a"])
    assert [entry["embedding"] for entry in several["sparse_embedding"]] == [{"a": 1.0}, {"b": 1.0}, {"a": 1.0}]


async def test_an_endpoint_names_what_is_wrong(sandbox):
    deployment = await sandbox.deployment()
    infer = sandbox.client.inference.inference
    absent = (404, NOT_FOUND, "Inference endpoint not found [no-such-id]")
    assert await refusal(infer(inference_id="no-such-id", input="a", **SPARSE)) == absent
    number = await refusal(infer(inference_id=deployment.endpoint, input=5, **SPARSE))
    assert number[0] == 400
    assert "input doesn't support values of type: VALUE_NUMBER" in number[2]
    typed = await refusal(infer(inference_id=deployment.endpoint, input="a", input_type="search", **SPARSE))
    assert typed[:2] == (400, VALIDATION)
    assert "Field [input_type] cannot be specified for task type [sparse_embedding]" in typed[2]
    await deployment.stop()
    status, kind, _ = await refusal(infer(inference_id=deployment.endpoint, input="a", **SPARSE))
    assert (status, kind) == (404, NOT_FOUND)
