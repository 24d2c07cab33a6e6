"""From a record to a write: total over everything that a topic may hold."""

import json

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.intake.decode import Decoder
from streamer.intake.formats import Json
from streamer.intake.route import Reuse
from streamer.model import PLAIN, Rejected, Write
from streamer.settings import Filter
from tests.unit.builders import LANE, record, route


def decode(value, *, of=None, key=b"k", offset=0, headers=()):
    """Decode a record whose value is `value`, bytes or anything that JSON knows."""
    raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return Decoder(of or route(), Json()).decode(record(offset, raw, key, headers=headers), epoch=1, generation=7)


def body(write):
    return orjson.loads(write.body)


names = st.sampled_from(["text", "text_tokens", "model_id", "is_truncated", "_streamer", "meta", "meta.text", "a", ""])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
ROUTES = [
    route(),
    route(("meta.text", "meta.tokens"), ("text", "text_tokens")),
    route(id_from="field:a", version_from="field:a", filters=(Filter(field="a", any_of=["x", 1]),)),
    route(id_from="position", version_from="header:v"),
    route(("title", "meta.tokens")),
]


@given(
    st.one_of(st.none(), st.binary(), st.text().map(str.encode), values.map(lambda one: json.dumps(one).encode())),
    st.one_of(st.none(), st.binary(max_size=4)),
    st.sampled_from(ROUTES),
    st.sampled_from([(), (("v", None),), (("v", b"3"),), (("v", b"9" * 5_000),)]),
)
@example(b"[" * 2_000 + b"]" * 2_000, b"k", ROUTES[0], ())
@example(b'{"a":' * 500 + b"1" + b"}" * 500, b"k", ROUTES[0], ())
@example(b'{"meta":' + b"[" * 1_000 + b"]" * 1_000 + b"}", b"k", ROUTES[1], ())
@example(b'{"meta":' + b"[" * 1_000 + b"]" * 1_000 + b"}", b"k", ROUTES[4], ())
@example(b'{"text":"\\ud800"}', b"k", ROUTES[0], ())
def test_every_record_is_a_write_or_rejected(value, key, of, headers):
    found = decode(value, of=of, key=key, headers=headers)
    if isinstance(found, Rejected):
        assert found.reason in {"unreadable", "no_identity", "not_text"}
        assert found.detail
        return
    assert isinstance(found, Write)
    assert found.id
    assert (found.lane == LANE) == (found.inputs > 0) == bool(found.text_hash)
    if found.body is not None:
        assert not {*of.written_by_processor, "_streamer"} & set(body(found))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"NaN",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"text":"\\ud800"}',
        b'{"a":1} x',
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"[" * 2_000 + b"]" * 2_000,
        b'{"a":' * 500 + b"1" + b"}" * 500,
    ],
)
def test_what_is_no_json_object_is_unreadable(value):
    found = decode(value)
    assert isinstance(found, Rejected)
    assert found.reason == "unreadable"


@pytest.mark.parametrize(
    ("value", "reuse", "unasked"),
    [
        (b'{"text":"a"}', Reuse(""), True),
        (b'{"text":" "}', Reuse(""), False),
        (None, Reuse(""), False),
        (b'{"text":"a"}', Reuse("tokens are lost"), False),
        (b'{"text":"a"}', Reuse(), False),
    ],
)
def test_the_index_is_asked_about_texts_where_their_tokens_can_be_used_again(value, reuse, unasked):
    assert decode(value, of=route(reuse=reuse)).unasked is unasked


def test_a_text_is_to_be_inferred():
    found = decode({"title": "Smile", "text": "a film"}, offset=5)
    assert (found.id, found.lane, found.inputs, found.generation, found.epoch) == ("k", LANE, 1, 7, 1)
    assert found.version == (1 << 46) + (6 << 2) + 1
    assert body(found) == {"title": "Smile", "text": "a film"}
    assert len(found.text_hash) == 32


@pytest.mark.parametrize("value", [{}, {"text": None}, {"text": ""}, {"text": " \n\t"}, {"title": "Smile"}])
def test_without_text_it_is_plain(value):
    found = decode(value)
    assert (found.lane, found.inputs, found.text_hash, body(found)) == (PLAIN, 0, "", value)


@pytest.mark.parametrize("text", [1, 1.5, True, [], ["a"], {}, {"a": "b"}])
def test_a_text_of_another_type_is_rejected(text):
    found = decode({"text": text})
    assert isinstance(found, Rejected)
    assert found.reason == "not_text"
    assert "'text'" in found.detail


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, -(2**63)])
def test_whole_numbers_are_kept(number):
    assert body(decode({"n": number})) == {"n": number}


def test_of_a_name_that_is_there_twice_the_last_counts():
    found = decode(b'{"text":"old","text":"new"}')
    assert found.body == b'{"text":"new"}'


TWO = route(("title", "title_tokens"), ("text", "text_tokens"))


@pytest.mark.parametrize(
    ("value", "inputs", "sent"),
    [
        ({"title": "a", "text": "b"}, 2, {"title": "a", "text": "b"}),
        ({"title": "a"}, 1, {"title": "a"}),
        ({"text": "b", "year": 1}, 1, {"text": "b", "year": 1}),
        # A blank text beside another would cost an inference.
        ({"title": " ", "text": "b"}, 1, {"text": "b"}),
        ({"title": None, "text": "b"}, 1, {"text": "b"}),
        ({"title": "", "text": ""}, 0, {"title": "", "text": ""}),
    ],
)
def test_texts_that_are_missing_cost_nothing(value, inputs, sent):
    found = decode(value, of=TWO)
    assert (found.inputs, body(found)) == (inputs, sent)


DOTTED = route(("meta.text", "meta.tokens"), ("title", "title_tokens"))


@pytest.mark.parametrize("value", [{"meta": {"text": "a", "x": 1}}, {"meta.text": "a", "meta": {"x": 1}}])
def test_a_text_is_found_with_dots_and_sent_where_the_processor_looks(value):
    found = decode(value, of=DOTTED)
    assert found.inputs == 1
    assert body(found) == {"meta": {"text": "a", "x": 1}}


def test_dots_may_be_mixed():
    deep = route(("a.b.c", "a.tokens"))
    for value in ({"a.b": {"c": "x"}}, {"a": {"b.c": "x"}}, {"a.b.c": "x"}, {"a": {"b": {"c": "x"}}}):
        assert orjson.loads(decode(value, of=deep).body)["a"]["b"]["c"] == "x"


@pytest.mark.parametrize(
    "value",
    [
        {"meta": {"text": 1}},
        {"meta.text": ["a"]},
        {"meta": [{"text": "a"}]},
        {"meta": {"text": "a"}, "meta.text": "b"},
        {"meta": 1, "meta.text": "b"},
    ],
)
def test_a_dotted_text_that_is_not_one_is_rejected(value):
    found = decode(value, of=DOTTED)
    assert isinstance(found, Rejected)
    assert found.reason == "not_text"


@pytest.mark.parametrize(
    ("given_value", "left"),
    [
        ({"text_tokens": {"a": 1.0}, "title_tokens": [], "x": 1}, {"text_tokens": {"a": 1.0}, "x": 1}),
        ({"title_tokens": None}, {}),
        ({"title_tokens.a": 1.5, "title_tokensx": 1}, {"title_tokensx": 1}),
        ({"model_id": "x", "is_truncated": True}, {}),
        ({"meta": {"tokens": {"a": 1}, "model_id": "x", "is_truncated": 1, "y": 1}}, {"meta": {"y": 1}}),
        ({"meta.tokens": {"a": 1}, "meta.model_id": "x", "meta.is_truncated": 1}, {}),
        ({"meta.tokens": 1, "meta": {"tokens": 2}}, {"meta": {}}),
        ({"other": {"model_id": 1, "is_truncated": 1}}, {"other": {"model_id": 1, "is_truncated": 1}}),
        ({"_streamer": {"topic": "x"}, "_streamer.topic": "x", "_streamers": 1}, {"_streamers": 1}),
        ({"_id": {"$oid": "5f0c"}, "_version": 1, "id": 1, "a": {"_id": 1}}, {"id": 1, "a": {"_id": 1}}),
    ],
)
def test_what_the_processor_or_we_write_is_stripped(given_value, left):
    decoder = Decoder(DOTTED, Json())
    found = decoder.decode(record(value=orjson.dumps(given_value)), 1, 1)
    assert isinstance(found, Write), found
    assert body(found) == left
    assert (decoder.stripped > 0) == (given_value != left)


def test_lists_of_objects_are_stripped_too():
    found = decode({"meta": [{"tokens": 1, "z": 1}, 5, {"model_id": 1}]}, of=route(("title", "meta.tokens")))
    assert body(found) == {"meta": [{"z": 1}, 5, {}]}


def test_strippings_are_counted():
    decoder = Decoder(route(), Json())
    decoder.decode(record(value=b'{"text":"a","text_tokens":{},"model_id":null,"_streamer":1}'), 1, 1)
    decoder.decode(record(value=b'{"text":"a","model_id":"x"}'), 1, 1)
    assert decoder.stripped == 4


def test_a_tombstone_deletes():
    found = decode(None, offset=3)
    assert (found.body, found.lane, found.inputs, found.id) == (None, PLAIN, 0, "k")
    assert found.version == (1 << 46) + (4 << 2) + 1


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        ({"lang": "en"}, True),
        ({"lang": "de"}, False),
        ({"lang": ["en"]}, False),
        ({"lang": None}, False),
        ({}, False),
        ({"lang": 1}, True),
        ({"lang": True}, False),
    ],
)
def test_what_a_filter_holds_back_is_deleted(value, passes):
    found = decode({"text": "a"} | value, of=route(filters=(Filter(field="lang", any_of=["en", 1]),)))
    assert (found.body is not None) == passes
    assert (found.lane == LANE) == passes


@pytest.mark.parametrize("value", [{"meta": {"lang": "en"}}, {"meta.lang": "en"}])
def test_a_filter_finds_dotted_names(value):
    assert decode(value, of=route(filters=(Filter(field="meta.lang", any_of=["en"]),))).body is not None


def test_all_filters_must_hold():
    both = route(filters=(Filter(field="a", any_of=[1]), Filter(field="b", any_of=[2])))
    assert decode({"a": 1, "b": 2}, of=both).body is not None
    assert decode({"a": 1, "b": 1}, of=both).body is None
