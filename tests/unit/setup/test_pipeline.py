import copy

from streamer.setup.pipeline import pipeline_body, pipeline_differences, revision
from tests.unit.setup.samples import route

FIELDS = [{"input": "title", "output": "title_tokens"}, {"input": "text", "output": "text_tokens"}]


def test_one_processor_a_field():
    processors = pipeline_body(route(inference=FIELDS))["processors"]
    assert processors == [
        {
            "inference": {
                "model_id": "for_ingest",
                "input_output": [{"input_field": field["input"], "output_field": field["output"]}],
                "ignore_missing": True,
            }
        }
        for field in FIELDS
    ]


def test_nothing_hides_a_failure():
    body = pipeline_body(route())
    assert "on_failure" not in body
    assert "ignore_failure" not in body["processors"][0]["inference"]


def test_revision_is_of_the_processors():
    assert revision(route()) == revision(route(pipeline="other", properties={"a": {"type": "keyword"}}))
    assert len({revision(route()), revision(route(deployment="other")), revision(route(inference=FIELDS))}) == 3
    assert pipeline_body(route())["_meta"]["revision"] == revision(route())


def test_what_was_made_does_not_differ():
    found = copy.deepcopy(pipeline_body(route())) | {"description": "mine", "version": 3, "_meta": {}}
    assert pipeline_differences(route(), found) == []


def test_what_differs_is_named():
    found = pipeline_body(route())
    found["processors"][0]["inference"] |= {"model_id": ".elser_model_2", "ignore_failure": True}
    found["processors"].append({"set": {"field": "x", "value": 1}})
    found["on_failure"] = [{"set": {"field": "error", "value": 1}}]
    assert pipeline_differences(route(), found) == [
        'processors[0].inference.model_id: expected "for_ingest", found ".elser_model_2"',
        "processors[0].inference.ignore_failure: expected nothing, found true",
        'processors[1]: expected nothing, found {"set":{"field":"x","value":1}}',
        'on_failure: expected nothing, found [{"set":{"field":"error","value":1}}]',
    ]


def test_a_pipeline_without_processors_differs():
    assert pipeline_differences(route(), {}) != []
