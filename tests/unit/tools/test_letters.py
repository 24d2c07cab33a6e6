"""Which dead letters are meant, and how one is read."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import InputError
from streamer.model import Partition
from streamer.tools.letters import UNITS_MS, Wanted, at, letter_of, moment, place_of, printable, readable
from tests.unit.builders import record
from tests.unit.tools.dead import DEAD, NOW, letter, value


def test_what_is_read_of_a_letter():
    found = letter()
    assert (found.place, found.fields.reason, found.fields.at_ms) == ("streamer-dead-letters-0@17", "unreadable", NOW)
    assert found.key == b"films\0k"
    assert letter(document_id=None).key == b"own"


def test_a_letter_without_a_fingerprint_gets_the_one_that_it_would_have():
    old = value()
    del old["fingerprint"]
    assert letter_of(record(17, orjson.dumps(old), partition=DEAD)).fault == letter().fault


@given(st.none() | st.binary())
def test_other_bytes_are_no_letter(given_bytes):
    assert letter_of(record(0, given_bytes)) is None


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Wanted(), True),
        (Wanted(reason="unreadable", route="films", topic="films"), True),
        (Wanted(reason="other"), False),
        (Wanted(route="books"), False),
        (Wanted(topic="books"), False),
        (Wanted(fingerprint="0" * 16), False),
        (Wanted(since_ms=NOW, until_ms=NOW + 1), True),
        (Wanted(since_ms=NOW + 1), False),
        (Wanted(until_ms=NOW), False),
    ],
)
def test_all_filters_must_let_it_pass(wanted, fits):
    assert wanted.matches(letter()) is fits


def test_a_fault_is_wanted_by_its_fingerprint():
    assert Wanted(fingerprint=letter().fault).matches(letter(detail="why 99"))


def test_without_a_filter_all_must_be_said():
    assert Wanted().or_all(True) == Wanted()
    assert Wanted(route="films").or_all(False) == Wanted(route="films")
    with pytest.raises(InputError, match="which dead letters"):
        Wanted().or_all(False)
    with pytest.raises(InputError, match="contradict"):
        Wanted(route="films").or_all(True)


@given(st.integers(0, 999_999), st.sampled_from("smhd"))
def test_ages_count_back_from_now(number, unit):
    assert moment(f"{number}{unit}", NOW) == NOW - number * UNITS_MS[unit]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:01", 1_000),
        ("1970-01-01T00:00:01Z", 1_000),
        ("1970-01-01T01:00:00.5+01:00", 500),
        ("1970-01-02", 86_400_000),
    ],
)
def test_iso_times_are_in_utc_unless_they_say_otherwise(text, ms):
    assert moment(text, NOW) == ms


@pytest.mark.parametrize("text", ["", "2", "2w", "-2h", "yesterday", "1970-13-01"])
def test_other_times_are_refused(text):
    with pytest.raises(InputError, match="neither an ISO time nor an age"):
        moment(text, NOW)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_time_can_be_shown(ms):
    assert at(ms)


@given(st.text(min_size=1).filter(lambda text: "\n" not in text), st.integers(0, 2**31), st.integers(0, 2**53))
def test_a_place_is_read_as_it_is_printed(topic, number, offset):
    assert place_of(f"{Partition(topic, number)}@{offset}") == (Partition(topic, number), offset)


@pytest.mark.parametrize("text", ["", "films", "films-0", "films@1", "-0@1", "films-0@x"])
def test_what_is_no_place_is_refused(text):
    with pytest.raises(InputError, match="is no place"):
        place_of(text)


def test_text_is_shown_as_text_and_bytes_stay_base64():
    shown = readable(orjson.dumps(value(record(3, "é".encode(), b"\xff", headers=(("a", b"b"), ("c", None))))))
    assert (shown["value"], shown["key_base64"], shown["offset"]) == ("é", "/w==", 3)
    assert shown["headers"] == [{"name": "a", "value": "b"}, {"name": "c", "value": None}]
    assert "value_base64" not in shown
    nothing = readable(orjson.dumps(value(record(value=None, key=None, headers=(("a", b"\xff"),)))))
    assert (nothing["value"], nothing["key"]) == (None, None)
    assert nothing["headers"] == [{"name": "a", "value_base64": "/w=="}]


@pytest.mark.parametrize("wrong", [b"", b"[]", b"{}", b"1", orjson.dumps(value() | {"headers": [1]})])
def test_what_is_no_letter_is_not_shown(wrong):
    with pytest.raises(InputError, match="no dead letter"):
        readable(wrong)


@given(st.text())
def test_nothing_moves_the_cursor(text):
    assert printable(text).isprintable()
