"""Where id and version of a record come from, and what the hash of its texts depends on."""

import pytest

from streamer.intake.decode import Decoder
from streamer.intake.formats import Json
from streamer.model import Rejected, Write
from tests.unit.builders import record, route


def decode(of, value=b'{"text":"a film","id":"f1","v":9}', key=b"k", headers=(), offset=2):
    return Decoder(of, Json()).decode(record(offset, value, key, headers=headers), epoch=3, generation=1)


@pytest.mark.parametrize(
    ("fields", "key", "expected"),
    [
        ({}, b"k", "k"),
        ({"id_prefix": "x:"}, b"k", "x:k"),
        ({}, b"\xff", "~b64~_w"),
        ({}, None, "~pos~films-3-0-2"),
        ({"id_from": "position"}, b"k", "~pos~films-3-0-2"),
        ({"id_from": "position", "id_prefix": "x:"}, b"k", "x:~pos~films-3-0-2"),
        ({"id_from": "field:id"}, b"k", "f1"),
        ({"id_from": "field:v", "id_prefix": "x:"}, None, "x:9"),
    ],
)
def test_ids(fields, key, expected):
    assert decode(route(**fields), key=key).id == expected


@pytest.mark.parametrize(
    ("fields", "value", "key"),
    [
        ({}, b"{}", b""),
        ({}, None, None),
        ({}, None, b""),
        ({"id_from": "field:id"}, None, b"k"),
        ({"id_from": "field:id"}, b"{}", b"k"),
        ({"id_from": "position"}, None, b"k"),
        ({"version_from": "field:v"}, None, b"k"),
        ({"version_from": "field:v"}, b'{"v":1.0}', b"k"),
        ({"version_from": "field:v"}, b'{"v":-1}', b"k"),
        ({"version_from": "field:v"}, b'{"v":18446744073709551615}', b"k"),
        ({"version_from": "field:v"}, b"{}", b"k"),
        ({"version_from": "header:v"}, b"{}", b"k"),
    ],
)
def test_without_id_or_version_a_record_is_rejected(fields, value, key):
    found = decode(route(**fields), value, key)
    assert isinstance(found, Rejected)
    assert found.reason == "no_identity"


@pytest.mark.parametrize("header", [None, b"", b"x", b"1.5", b"-1", b"9" * 5_000, str(2**63).encode()])
def test_a_header_that_is_no_version_is_refused(header):
    found = decode(route(version_from="header:v"), headers=(("v", header),))
    assert isinstance(found, Rejected)
    assert "'v'" in found.detail


def test_versions():
    assert decode(route()).version == (3 << 46) + (3 << 2) + 1
    assert decode(route(version_from="field:v")).version == 9
    assert decode(route(version_from="header:v"), headers=(("v", b"17"),)).version == 17
    deletion = decode(route(version_from="header:v"), None, headers=(("v", b"17"),))
    assert (deletion.version, deletion.body) == (17, None)


def hash_of(of=None, value=b'{"text":"a film"}', **fields):
    found = decode(of or route(), value, **fields)
    assert isinstance(found, Write)
    return found.text_hash


def test_the_hash_depends_on_nothing_else():
    same = hash_of()
    assert hash_of(value=b'{"year":1999,"text":"a film","model_id":"x"}') == same
    assert hash_of(key=b"other", offset=77) == same
    assert hash_of(route(name="other", pipeline="p2", deployment="d2", index="i2")) == same
    # A second text that is blank gives no tokens.
    assert hash_of(route(("text", "text_tokens"), ("title", "title_tokens"))) == same


def test_the_hash_depends_on_model_revision_input_output_and_text():
    differing = [
        hash_of(),
        hash_of(value=b'{"text":"a film "}'),
        hash_of(route(model=".elser_model_3")),
        hash_of(route(pipeline_revision="r2")),
        hash_of(route(("text", "tokens"))),
        hash_of(route(("title", "text_tokens")), value=b'{"title":"a film"}'),
        hash_of(route(("text", "text_tokens"), ("title", "t")), value=b'{"text":"a film","title":"b"}'),
        hash_of(route(("text", "text_tokens"), ("title", "t")), value=b'{"text":"a filmb","title":"b"}'),
        # The same bytes, split elsewhere.
        hash_of(route(model=".elser_model_2r", pipeline_revision="1")),
    ]
    assert len(set(differing)) == len(differing)
