"""What goes through the redrive and the backlog topic comes out as the record that it was."""

import json

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import schemas
from streamer.intake.decode import Decoder
from streamer.intake.formats import Json
from streamer.intake.identity import version_of_position
from streamer.intake.parcel import Parcel, ParcelDecoder, ParcelError, fields, key_of, unpack
from streamer.intake.route import Reuse
from streamer.model import Partition, Record, Rejected, Write
from tests.unit.builders import carrying, parcel, record, route

DECODER = ParcelDecoder({"films": Decoder(route(), Json())})
NAMES = st.text(min_size=1)

records = st.builds(
    Record,
    st.builds(Partition, NAMES, st.integers(0, 2**31 - 1)),
    st.integers(0, 2**63 - 1),
    st.integers(-1, 2**63 - 1),
    st.none() | st.binary(),
    st.none() | st.binary(),
    st.lists(st.tuples(st.text(), st.none() | st.binary())).map(tuple),
)
parcels = st.builds(Parcel, records, NAMES, st.text(), st.integers(1, 2**17 - 1), st.integers(0, 2**31))


@given(parcels)
def test_a_parcel_comes_out_as_it_was_packed(packed):
    assert unpack(orjson.dumps(fields(packed))) == packed


@given(parcels)
def test_its_fields_are_those_of_a_dead_letter(packed):
    described = schemas.schema("dead_letter")["properties"]
    for name, value in fields(packed).items():
        Draft202012Validator(described[name]).validate(value)


def test_a_dead_letter_is_a_parcel():
    letter = schemas.schema("dead_letter")["examples"][0]
    found = unpack(orjson.dumps(letter))
    assert (found.route, found.topic_id, found.epoch) == ("films", letter["topic_id"], 1)
    assert found.record.partition == Partition("films", 2)
    assert (found.record.offset, found.record.key, found.record.value) == (17, b"882598", b'{"title":')
    assert found.record.headers == (("source", b"cms"), ("empty", None))


GOOD = fields(parcel(record()))


@pytest.mark.parametrize("missing", sorted(GOOD.keys() - {"attempts", "v"}))
def test_a_parcel_without_a_field_is_none(missing):
    with pytest.raises(ParcelError, match=missing):
        unpack(orjson.dumps({name: value for name, value in GOOD.items() if name != missing}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"v": 2},
        {"route": ""},
        {"epoch": 0},
        {"offset": -1},
        {"offset": 2**63},
        {"offset": 2**70},
        {"timestamp_ms": -2},
        {"route": "\ud800"},
        {"partition": "0"},
        {"key_base64": "%"},
        {"value_base64": 1},
        {"headers": [["a"]]},
        {"headers": [["a", "%"]]},
        {"headers": None},
    ],
)
def test_a_parcel_with_a_wrong_field_is_none(wrong):
    with pytest.raises(ParcelError):
        unpack(json.dumps(GOOD | wrong).encode())


@given(st.none() | st.binary())
@example(b"[" * 100_000)
@example(b'{"route":' * 100_000)
def test_no_bytes_break_the_decoder(value):
    taken = record(3, value, partition=Partition("streamer-redrive", 0))
    found = DECODER.decode(taken, 1, 1)
    assert isinstance(found, Rejected)
    assert (found.record, found.via, found.carrier, found.reason) == (taken, None, taken, "unreadable")


def test_a_write_has_its_own_version_and_its_carriers_place():
    original = record(17, b'{"text":"a"}', b"k", Partition("films", 2))
    carrier = carrying(parcel(original, epoch=3, attempts=2), offset=5)
    found = DECODER.decode(carrier, 99, 7)
    assert isinstance(found, Write)
    assert (found.id, found.version, found.epoch) == ("k", version_of_position(3, 17), 3)
    assert (found.record, found.via, found.carrier) == (original, carrier, carrier)
    assert (found.partition, found.generation, found.attempts) == (Partition("streamer-redrive", 0), 7, 2)


@pytest.mark.parametrize("owed", [False, True])
def test_the_index_is_not_asked_about_what_is_owed(owed):
    decoder = ParcelDecoder({"films": Decoder(route(reuse=Reuse("")), Json())}, owed=owed)
    assert decoder.decode(carrying(parcel(record())), 1, 1).unasked is not owed


def test_a_document_known_by_its_place_keeps_its_id():
    decoder = Decoder(route(), Json())
    original = record(17, key=None, partition=Partition("films", 2))
    found = ParcelDecoder({"films": decoder}).decode(carrying(parcel(original, epoch=3)), 1, 1)
    assert found.id == decoder.decode(original, 3, 1).id


def test_what_is_still_broken_is_rejected_as_itself():
    original, attempts = record(17, b"no json"), 3
    carrier = carrying(parcel(original, attempts=attempts))
    found = DECODER.decode(carrier, 1, 1)
    assert isinstance(found, Rejected)
    assert (found.record, found.via, found.carrier, found.reason) == (original, carrier, carrier, "unreadable")


def test_a_route_that_is_gone_is_named():
    carrier = carrying(parcel(record(), route="books"))
    found = DECODER.decode(carrier, 1, 1)
    assert isinstance(found, Rejected)
    assert (found.reason, found.via) == ("unknown_route", carrier)
    assert "'books'" in found.detail


def test_fields_taken_away_are_counted_over_all_routes():
    decoder = ParcelDecoder({name: Decoder(route(name=name), Json()) for name in ("films", "books")})
    for name in ("films", "books"):
        taken = record(0, b'{"text":"a","text_tokens":{"b":1}}')
        decoder.decode(carrying(parcel(taken, route=name)), 1, 1)
    assert decoder.stripped == 2


def test_the_key_is_the_documents():
    assert key_of("films", "é", record()) == "films\0é".encode()
    assert key_of("films", None, record(key=b"\xff")) == b"\xff"
    assert key_of("films", None, record(key=None)) is None
