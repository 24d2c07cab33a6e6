"""Cursors: only who has the secret makes or reads them, and only their owner uses them, in time."""

import base64
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from search_api.cursor.codec import Cursor, decode, encode
from search_api.cursor.register import Register
from search_api.cursor.seal import BrokenSeal, Seal
from search_api.errors import CursorExpired, InvalidCursor, TooManyCursors
from search_api.settings import CursorSettings
from tests.unit.search_api.fakes import FakeClock

SECRET = b"a secret of at least 32 characters"
SEAL = Seal(SECRET)
NOW = 1_000_000
URL_SAFE = string.ascii_letters + string.digits + "-_"

sorts = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=20)
tokens = st.none() | st.dictionaries(st.text(max_size=10), st.floats(0, 10), max_size=5)
cursors = st.builds(
    Cursor,
    id=st.text(max_size=10),
    owner=st.just("key-1"),
    point=st.text(max_size=300),
    request=st.fixed_dictionaries({"query": st.text(max_size=50), "size": st.integers(1, 100)}),
    tokens=tokens,
    after=st.lists(sorts, max_size=3).map(tuple),
    keep_alive_s=st.integers(1, 100),
    expires_ms=st.integers(NOW + 1, NOW * 2),
    ends_ms=st.integers(NOW + 1, NOW * 2),
)


def cursor(**changes):
    fields = {
        "id": "walk",
        "owner": "key-1",
        "point": "films-000001:point",
        "request": {"query": "heist"},
        "after": (1.5, 7),
        "keep_alive_s": 60,
        "expires_ms": NOW + 1,
        "ends_ms": NOW + 9,
    }
    return Cursor(**fields | changes)


@given(cursors)
def test_what_is_encoded_is_what_is_decoded(one):
    text = encode(one, SEAL)
    assert decode(text, SEAL, "key-1", NOW) == one
    assert set(text) <= set(URL_SAFE)


@given(cursors, st.data())
def test_no_letter_can_be_changed(one, data):
    text = encode(one, SEAL)
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from(URL_SAFE))
    assume(letter != text[at])
    with pytest.raises(InvalidCursor):
        decode(text[:at] + letter + text[at + 1 :], SEAL, "key-1", NOW)


@given(st.text() | st.text(URL_SAFE), cursors, st.integers(0, 40))
def test_any_other_text_is_refused(text, one, cut):
    for wrong in (
        text,
        encode(one, SEAL) + text[:3] + "A",
        encode(one, SEAL)[cut + 1 :],
        encode(one, SEAL)[: -cut - 1],
    ):
        with pytest.raises(InvalidCursor):
            decode(wrong, SEAL, "key-1", NOW)


@given(st.binary(min_size=1), st.binary(min_size=1))
def test_another_secret_neither_reads_nor_makes(secret, content):
    assume(secret != SECRET)
    with pytest.raises(BrokenSeal):
        SEAL.open(Seal(secret).seal(content))


def test_the_same_secret_reads_in_another_process():
    assert decode(encode(cursor(), Seal(SECRET)), Seal(bytes(SECRET)), "key-1", NOW) == cursor()


def test_nothing_inside_can_be_read_from_outside():
    content = b"films-000001 " * 40
    sealed = [SEAL.seal(content) for _ in range(2)]
    assert sealed[0] != sealed[1]
    for text in sealed:
        raw = _raw(text)
        assert b"films" not in raw
        # Two blocks of the same content have nothing in common: no repeated key stream.
        assert len({raw[start : start + 13] for start in range(48, len(raw) - 13, 13)}) == len(content) // 13 - 1


def _raw(text):

    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_another_owner_is_told_no_more_than_a_forger():
    with pytest.raises(InvalidCursor) as stolen:
        decode(encode(cursor(), SEAL), SEAL, "key-2", NOW)
    with pytest.raises(InvalidCursor) as forged:
        decode("forged", SEAL, "key-2", NOW)
    assert str(stolen.value) == str(forged.value)


def test_a_stolen_cursor_that_has_expired_is_still_only_invalid():
    with pytest.raises(InvalidCursor):
        decode(encode(cursor(expires_ms=NOW), SEAL), SEAL, "key-2", NOW)


@pytest.mark.parametrize(("expires_ms", "valid"), [(NOW + 1, True), (NOW, False), (NOW - 1, False)])
def test_a_cursor_has_its_time(expires_ms, valid):
    text = encode(cursor(expires_ms=expires_ms), SEAL)
    if valid:
        decode(text, SEAL, "key-1", NOW)
    else:
        with pytest.raises(CursorExpired):
            decode(text, SEAL, "key-1", NOW)


def test_a_cursor_of_another_version_is_refused():
    with pytest.raises(InvalidCursor):
        decode(encode(cursor(version=2), SEAL), SEAL, "key-1", NOW)


# How many may be open.


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def register(clock):
    return Register(CursorSettings(per_key=2, in_all=3), clock)


def test_a_key_has_its_number_and_all_have_theirs(register):
    register.reserve("a1", "a", 60)
    register.reserve("a2", "a", 60)
    with pytest.raises(TooManyCursors, match="2 cursors of this key are open, and there may be 2"):
        register.reserve("a3", "a", 60)
    register.reserve("b1", "b", 60)
    with pytest.raises(TooManyCursors, match="as many cursors"):
        register.reserve("c1", "c", 60)
    assert len(register) == 3


def test_a_walk_that_ends_makes_room(register):
    register.reserve("a1", "a", 60)
    register.reserve("a2", "a", 60)
    register.remove("a1")
    register.remove("never there")
    register.reserve("a3", "a", 60)


def test_a_walk_that_is_forgotten_makes_room_unless_it_goes_on(register, clock):
    register.reserve("a1", "a", 60)
    register.reserve("a2", "a", 60)
    clock.now += 40
    register.note("a2", "a", "point", 60)
    clock.now += 20
    register.reserve("a3", "a", 60)
    with pytest.raises(TooManyCursors):
        register.reserve("a4", "a", 60)


def test_only_what_has_begun_has_a_point_to_close(register, clock):
    register.reserve("a1", "a", 60)
    register.note("a2", "a", "older", 60)
    register.note("a2", "a", "newer", 60)
    assert register.points() == ["newer"]
    clock.now += 60
    assert register.points() == []
