import copy

import pytest

from streamer.errors import SettingsError
from streamer.setup.mapping import first_index, index_body, index_differences
from tests.unit.setup.samples import route


def existing(**given):
    """Return the index as Elasticsearch would answer for it: settings as text, defaults left out."""
    body = copy.deepcopy(index_body(route(**given)))
    body["settings"] = {name: str(value) for name, value in body["settings"].items()}
    return body


def test_reserved_object_takes_nothing_that_it_does_not_know():
    reserved = index_body(route())["mappings"]["properties"]["_streamer"]
    assert reserved["dynamic"] == "strict"
    assert set(reserved["properties"]) == {
        "topic", "partition", "offset", "epoch", "timestamp_ms", "indexed_at_ms", "text_hash", "model",
        "pipeline_revision", "schema_version",
    }  # fmt: skip


def test_tokens_and_what_the_processor_writes_beside_them_are_mapped():
    fields = [{"input": "title", "output": "title_tokens"}, {"input": "body.text", "output": "ml.tokens"}]
    properties = index_body(route(inference=fields))["mappings"]["properties"]
    assert properties["title_tokens"] == {"type": "sparse_vector"}
    assert properties["model_id"] == {"type": "keyword"}
    assert properties["ml"]["properties"] == {
        "tokens": {"type": "sparse_vector"},
        "model_id": {"type": "keyword"},
        "is_truncated": {"type": "boolean"},
    }
    assert properties["body"] == {"properties": {"text": {"type": "text"}}}


def test_own_properties_win_for_inputs():
    properties = {"text": {"type": "text", "analyzer": "english"}}
    assert index_body(route(properties=properties))["mappings"]["properties"]["text"] == properties["text"]


def test_dotted_properties_are_expanded():
    properties = {"who.name": {"type": "keyword"}, "who": {"properties": {"age": {"type": "integer"}}}}
    found = index_body(route(properties=properties))["mappings"]["properties"]["who"]
    assert found == {"properties": {"name": {"type": "keyword"}, "age": {"type": "integer"}}}


@pytest.mark.parametrize("name", ["_streamer", "text_tokens", "model_id", "is_truncated"])
def test_fields_that_the_streamer_writes_cannot_be_mapped(name):
    with pytest.raises(SettingsError, match=f"maps {name}"):
        index_body(route(properties={name: {"type": "keyword"}}))


def test_index_and_alias():
    body = index_body(route(number_of_shards=3, number_of_replicas=2, refresh_interval="5s"))
    assert first_index(route()) == "films-000001"
    assert body["aliases"] == {"films": {"is_write_index": True}}
    assert body["settings"] == {
        "index.gc_deletes": "1h",
        "index.number_of_shards": 3,
        "index.number_of_replicas": 2,
        "index.refresh_interval": "5s",
    }


def test_what_was_made_does_not_differ():
    properties = {"title": {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}}
    assert index_differences(route(properties=properties), existing(properties=properties)) == []


def test_fields_that_the_settings_do_not_name_are_no_difference():
    found = existing()
    found["mappings"]["properties"]["year"] = {"type": "long"}
    found["mappings"]["properties"]["text"]["fields"] = {"raw": {"type": "keyword"}}
    found["mappings"]["_meta"] = {"team": "films"}
    assert index_differences(route(), found) == []


def test_defaults_that_elasticsearch_leaves_out_are_no_difference():
    found = existing()
    del found["mappings"]["dynamic"]
    assert (
        index_differences(
            route(properties={"x": {"type": "keyword", "index": True}}), existing(properties={"x": {"type": "keyword"}})
        )
        == []
    )
    assert index_differences(route(), found) == []


def test_settings_of_a_new_index_are_not_compared():
    wanted = route(number_of_shards=5, number_of_replicas=1, refresh_interval="30s")
    assert index_differences(wanted, existing()) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda found: found["mappings"]["properties"]["text_tokens"].update(type="rank_features"),
            'mappings.properties.text_tokens.type: expected "sparse_vector", found "rank_features"',
        ),
        (
            lambda found: found["mappings"]["properties"]["text"].update(analyzer="english"),
            'mappings.properties.text.analyzer: expected nothing, found "english"',
        ),
        (
            lambda found: found["mappings"]["properties"]["_streamer"]["properties"].pop("epoch"),
            'mappings.properties._streamer.properties.epoch: expected {"type":"integer"}, found nothing',
        ),
        (
            lambda found: found["mappings"].update(_source={"excludes": ["text_tokens", "title"]}),
            'mappings._source: expected nothing, found {"excludes":["text_tokens","title"]}',
        ),
        (
            lambda found: found["mappings"].update(dynamic="strict"),
            'mappings.dynamic: expected "true", found "strict"',
        ),
        (
            lambda found: found["settings"].pop("index.gc_deletes"),
            'settings.index.gc_deletes: expected "1h", found "60s"',
        ),
        (
            lambda found: found["settings"].update({"index.final_pipeline": "other"}),
            'settings.index.final_pipeline: expected nothing, found "other"',
        ),
    ],
)
def test_what_differs_is_named(change, expected):
    found = existing()
    change(found)
    assert index_differences(route(), found) == [expected]


def test_deleted_versions_may_be_remembered_longer():
    found = existing()
    found["settings"]["index.gc_deletes"] = "2d"
    assert index_differences(route(), found) == []
