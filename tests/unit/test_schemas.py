"""The formats: valid schemas, examples that fit them, and bodies that agree with them."""

import pytest
from jsonschema import Draft202012Validator, ValidationError

import schemas
from streamer.model import RESERVED, SCHEMA_VERSION, Result

NAMES = schemas.names()


def example(name):
    return dict(schemas.schema(name)["examples"][0])


def validate(name, value):
    Draft202012Validator(schemas.schema(name)).validate(value)


def test_every_event_is_described():
    assert {"document", "dead_letter", "progress", "outcome"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_valid_and_has_examples_that_fit(name):
    Draft202012Validator.check_schema(schemas.schema(name))
    assert schemas.schema(name)["examples"]
    for value in schemas.schema(name)["examples"]:
        validate(name, value)


@pytest.mark.parametrize("name", ["dead_letter", "progress", "outcome"])
def test_events_are_closed_and_complete(name):
    with pytest.raises(ValidationError, match="unexpected"):
        validate(name, example(name) | {"more": 1})
    for field in schemas.schema(name)["required"]:
        less = {key: value for key, value in example(name).items() if key != field}
        with pytest.raises(ValidationError, match="required"):
            validate(name, less)


def test_outcomes_count_the_results_of_the_conservation_law():
    names = schemas.schema("outcome")["properties"]["results"]["propertyNames"]["enum"]
    assert set(names) == {result.value for result in Result}


def test_a_dead_letter_may_have_no_id_and_no_value():
    validate("dead_letter", example("dead_letter") | {"id": None, "key_base64": None, "value_base64": None})


def test_mapping_knows_each_field_of_the_reserved_object():
    described = schemas.schema("document")["properties"][RESERVED]["properties"]
    mapped = schemas.body("index")["mappings"]["properties"][RESERVED]["properties"]
    assert described.keys() == mapped.keys()


def test_state_has_the_programs_version():
    assert schemas.body("state")["mappings"]["_meta"]["schema_version"] == SCHEMA_VERSION


def test_bodies_are_new_each_time():
    schemas.body("index")["settings"].clear()
    assert schemas.body("index")["settings"]


def test_an_unknown_name_is_an_error():
    with pytest.raises(FileNotFoundError):
        schemas.schema("nope")
