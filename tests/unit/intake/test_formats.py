"""Debezium's events, with and without schemas: which row they are about, what it is now, and what is refused."""

import json
import typing

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.intake.decode import Decoder
from streamer.intake.formats import FORMATS, UNKNOWN, Debezium
from streamer.model import Rejected, Write
from streamer.settings import Filter, RouteSettings
from tests.unit.builders import record, route

ROW = {"id": 1001, "text": "a film", "rating": 8.5}
LSN = 24_023_128
SOURCE = {"connector": "postgresql", "table": "films", "lsn": LSN, "ts_ms": 1_714_000_000_000}
BY_LSN = "envelope:source.lsn"


def event(op, before=None, after=None, **fields):
    return {"before": before, "after": after, "source": SOURCE, "op": op, "ts_ms": 1_714_000_000_142} | fields


def plain(value):
    return value


def with_schema(value):
    """Return what a JsonConverter with `schemas.enable` makes of `value`."""
    return {"schema": {"type": "struct", "fields": [{"field": "payload"}], "optional": True}, "payload": value}


wrapped = pytest.mark.parametrize("wrap", [plain, with_schema])


def decode(value, key=b'{"id":1001}', *, headers=(), **fields):
    """Decode bytes, or anything that JSON knows, in a route of the format debezium."""
    raw, its_key = (one if one is None or isinstance(one, bytes) else json.dumps(one).encode() for one in (value, key))
    decoder = Decoder(route(format="debezium", **fields), Debezium())
    return decoder.decode(record(6, raw, its_key, headers=headers), epoch=1, generation=7)


def refusal(*arguments, **fields):
    found = decode(*arguments, **fields)
    assert isinstance(found, Rejected), found
    return found.reason, found.detail


def test_the_settings_know_every_format():
    assert {*typing.get_args(RouteSettings.model_fields["format"].annotation)} == FORMATS.keys()


# --- total, and true to the row

rows = st.dictionaries(
    st.sampled_from(["id", "text", "year", "text_tokens", "meta", "schema", "payload", "op"]),
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=6) | st.lists(st.integers(0, 9)),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(UNKNOWN),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["before", "after", "op", "source", "lsn", "schema", "payload", "id", "a"]), inner
        )
    ),
    max_leaves=12,
)
events = st.builds(
    event, st.sampled_from([*"curdtmnx", "", "cu", None, 1, []]), anything | rows, anything | rows, source=anything
)
raw = st.one_of(
    st.none(),
    st.binary(),
    (anything | events | events.map(with_schema)).map(lambda value: json.dumps(value).encode()),
)
ways = st.sampled_from(
    [
        {},
        {"id_from": "field:id"},
        {"id_from": "field:id", "version_from": "field:id"},
        {"id_from": "position"},
        {"version_from": BY_LSN},
        {"version_from": "header:v", "filters": (Filter(field="year", any_of=[1]),)},
    ]
)


@given(raw, raw, ways)
@example(b"[" * 2_000 + b"]" * 2_000, b"[" * 2_000 + b"]" * 2_000, {})
@example(b'{"op":"c","after":{"a":' + b"[" * 900 + b"]" * 900 + b"}}", b'{"a":' * 1_200, {})
@example(b'{"op":"d","before":{"id":' + b"[" * 900 + b"]" * 900 + b"}}", None, {"id_from": "field:id"})
@example(b'{"op":"c","after":{"id":"\\ud800"}}', b'{"id":"\\ud800"}', {})
def test_every_record_is_a_write_or_rejected(value, key, fields):
    found = decode(value, key, **fields)
    if isinstance(found, Rejected):
        assert found.reason in {"unreadable", "no_identity", "not_text"}
        assert found.detail
    else:
        assert isinstance(found, Write)
        assert found.id


@given(rows.map(lambda row: row | {"text": "a film"}), rows, st.sampled_from("cur"), st.booleans())
def test_the_state_after_is_the_document(row, before, operation, in_schema):
    value = event(operation, before, row)
    found = decode(with_schema(value) if in_schema else value)
    assert isinstance(found, Write)
    assert orjson.loads(found.body) == {name: one for name, one in row.items() if name != "text_tokens"}
    assert (found.id, found.version, found.inputs) == ("1001", (1 << 46) + (7 << 2) + 1, 1)


@given(rows | st.none(), st.booleans())
def test_a_row_that_is_gone_is_deleted(before, in_schema):
    value = event("d", before)
    found = decode(with_schema(value) if in_schema else value)
    assert (found.id, found.body, found.inputs) == ("1001", None, 0)


# --- operations


@pytest.mark.parametrize("value", [None, with_schema(None)])
def test_a_tombstone_deletes(value):
    found = decode(value)
    assert (found.id, found.body, found.version) == ("1001", None, (1 << 46) + (7 << 2) + 1)


@wrapped
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (event("t"), ["'t'", "truncate"]),
        (event("m", message={"prefix": "foo", "content": "Ymfy"}), ["'m'", "message"]),
        (event("n"), ["'n'"]),
        (event("cu", None, ROW), ["'cu'"]),
        (event("", None, ROW), ["''"]),
        (event(None, None, ROW), ["None"]),
        (event(["c"], None, ROW), ["['c']"]),
        (ROW, ["no `op`", "format json"]),
        ({"schema": {}, "payload": {}, "op": "c"}, ["'c'", "`after`"]),
        (event("u", ROW), ["'u'", "`after`"]),
        (event("c", None, []), ["'c'", "`after`"]),
        (event("r", None, '{"_id": 1}'), ["ExtractNewDocumentState"]),
        (event("u", None, ROW | {"text": UNKNOWN}), ["'text'", "REPLICA IDENTITY FULL"]),
        (event("u", None, ROW | {"tags": [UNKNOWN]}), ["'tags'", "REPLICA IDENTITY FULL"]),
    ],
)
def test_what_is_no_change_of_one_row_is_unreadable(wrap, value, words):
    reason, detail = refusal(wrap(value))
    assert reason == "unreadable"
    assert [word for word in words if word not in detail] == [], detail


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b"null", b"[]", with_schema([]), with_schema("c")])
def test_what_is_no_event_is_unreadable(value):
    assert refusal(value)[0] == "unreadable"


def test_filters_and_texts_are_of_the_row():
    only_new = (Filter(field="year", any_of=[1999]),)
    assert decode(event("c", None, ROW | {"year": 1999}), filters=only_new).body is not None
    assert decode(event("u", None, ROW | {"year": 1998}), filters=only_new).body is None
    assert refusal(event("c", None, ROW | {"text": 5}))[0] == "not_text"


# --- keys


@wrapped
@pytest.mark.parametrize(
    ("key", "document_id"),
    [
        ({"id": 1001}, "1001"),
        ({"id": "tt0111161"}, "tt0111161"),
        ({"id": -1}, "-1"),
        (1001, "1001"),
        ("tt0111161", "tt0111161"),
        ({"b": 2, "a": "x"}, '{"a":"x","b":2}'),
        ({"a": "x", "b": 2}, '{"a":"x","b":2}'),
        ({"id": True}, '{"id":true}'),
        ({"id": None}, '{"id":null}'),
        ({"id": '{"a":"x","b":2}'}, r'{"id":"{\"a\":\"x\",\"b\":2}"}'),
        ({"id": "~b64~x"}, "~b64~fmI2NH54"),
    ],
)
def test_ids_of_keys(wrap, key, document_id):
    assert decode(event("c", None, ROW), wrap(key)).id == document_id
    assert decode(event("d", ROW), wrap(key)).id == document_id
    assert decode(None, wrap(key)).id == document_id


@pytest.mark.parametrize(
    "key", ["films-17", "{half", "1.50", '{"id":1.50}', '{"id":{"b":1,"a":2}}', "[1]", "null", '""']
)
def test_a_key_that_is_no_struct_of_plain_columns_is_taken_as_it_is(key):
    assert decode(event("c", None, ROW), key.encode()).id == key


columns = st.dictionaries(
    st.text(max_size=2),
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=9),
    min_size=1,
    max_size=3,
)


@given(columns | columns.map(lambda one: {"id": json.dumps(one, sort_keys=True, separators=(",", ":"))}), columns)
@example({"id": 2**64 + 1}, {"id": 2**64 + 2})
@example({"id": '{"a":1,"b":2}'}, {"a": 1, "b": 2})
@example({"id": '{"id":true}'}, {"id": True})
def test_different_keys_of_a_table_have_different_ids(one, other):
    def shown(key):
        (*_, value) = key.values()
        alone = len(key) == 1 and isinstance(value, str | int) and not isinstance(value, bool)
        return str(value) if alone else json.dumps(key, sort_keys=True)

    found = [decode(None, json.dumps(key, sort_keys=True).encode()) for key in (one, other)]
    ids = [it.id if isinstance(it, Write) else None for it in found]
    assert (ids[0] == ids[1]) == (shown(one) == shown(other)) or None in ids
    assert all((it is None) == (shown(key) == "") for it, key in zip(ids, (one, other), strict=True))


def test_a_row_without_a_key_is_known_by_its_place():
    assert decode(event("c", None, ROW), None).id == "~pos~films-1-0-6"
    assert refusal(event("d", ROW), None) == ("no_identity", "a deletion without a key does not say what to delete")


# --- ids from a column


@wrapped
def test_the_id_of_a_column(wrap):
    by_code = {"id_from": "field:code", "id_prefix": "x:"}
    assert decode(event("u", None, ROW | {"code": "A7"}), **by_code).id == "x:A7"
    assert decode(wrap(event("d", {"id": 1001, "code": "A7"})), **by_code).id == "x:A7"
    # By default PostgreSQL tells of a deleted row only what its key holds.
    assert decode(event("d", {"id": 0, "code": None}), wrap({"id": 1, "code": "A7"}), **by_code).id == "x:A7"
    assert decode(event("d"), wrap({"id": 1, "code": "A7"}), **by_code).id == "x:A7"
    assert decode(None, wrap({"id": 1, "code": "A7"}), **by_code).id == "x:A7"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "use id_from = key"),
        (event("d"), "use id_from = key"),
        (event("d", {"id": 1001}), "use id_from = key"),
        (event("d", {"code": None}), "no string or whole number"),
    ],
)
def test_a_deletion_that_does_not_tell_the_column_is_rejected(value, words):
    reason, detail = refusal(value, id_from="field:code")
    assert reason == "no_identity"
    assert "'code'" in detail
    assert words in detail


# --- versions


@wrapped
@pytest.mark.parametrize("value", [event("c", None, ROW), event("u", ROW, ROW), event("d", ROW), event("r", None, ROW)])
def test_a_version_of_the_envelope(wrap, value):
    assert decode(wrap(value), version_from=BY_LSN).version == LSN
    assert decode(wrap(value), version_from="envelope:ts_ms").version == 1_714_000_000_142
    texts = value | {"source": {"scn": "1513734"}}
    assert decode(wrap(texts), version_from="envelope:source.scn").version == 1_513_734


@pytest.mark.parametrize("path", ["envelope:source.pos", "envelope:source.lsn.x", "envelope:lsn", "envelope:source"])
def test_a_path_that_leads_to_no_number_gives_no_version(path):
    reason, detail = refusal(event("c", None, ROW), version_from=path)
    assert reason == "no_identity"
    assert repr(path.removeprefix("envelope:")) in detail


def test_a_tombstone_has_no_envelope():
    reason, detail = refusal(None, version_from=BY_LSN)
    assert reason == "no_identity"
    assert "tombstones.on.delete" in detail


def test_a_version_of_a_column_is_not_that_of_a_deletion():
    """What is left of the row has the version of the state that is to be deleted: it would change nothing."""
    versioned = ROW | {"revision": 7}
    assert decode(event("u", None, versioned), version_from="field:revision").version == 7
    for value in (event("d", versioned), None):
        reason, detail = refusal(value, version_from="field:revision")
        assert reason == "no_identity"
        assert "'revision'" in detail
    assert decode(event("d", versioned), version_from="header:v", headers=(("v", b"8"),)).version == 8
