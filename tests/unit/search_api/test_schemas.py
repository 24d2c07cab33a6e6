"""The published schemas of request and answer are those of the models."""

import json
from pathlib import Path

import jsonschema
import pytest

import schemas
from search_api.model import SearchResponse
from search_api.query.request import SearchRequest

DRAFT = "https://json-schema.org/draft/2020-12/schema"
MODELS = {"search_request": SearchRequest, "search_response": SearchResponse}


def text_of(name):
    """Return what the file has to hold."""
    return json.dumps({"$schema": DRAFT} | MODELS[name].model_json_schema(), indent=2) + "\n"


@pytest.mark.parametrize("name", MODELS)
def test_the_file_says_what_the_model_says(name):
    assert Path(schemas.__file__).with_name(f"{name}.json").read_text() == text_of(name)


@pytest.mark.parametrize("name", MODELS)
def test_examples_hold_for_both(name):
    schema = schemas.schema(name)
    for example in schema["examples"]:
        jsonschema.validate(example, schema)
        MODELS[name].model_validate(example)


@pytest.mark.parametrize(
    "wrong", [{}, {"query": "x", "aggs": {}}, {"query": "x", "filters": [{"field": "a", "script": "x"}]}]
)
def test_the_schema_refuses_what_the_model_refuses(wrong):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schemas.schema("search_request"))
