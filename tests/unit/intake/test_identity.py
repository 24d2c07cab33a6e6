"""Which document a record is about, and which state of it is newer."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.intake import identity
from streamer.intake.identity import IdentityError, id_of_field, id_of_key, id_of_position, version_of_position
from streamer.model import Partition
from tests.unit.builders import record

ENCODED = ["~b64~", "~sha256~", "~pos~"]
keys = st.one_of(
    st.binary(min_size=1, max_size=700),
    st.text(min_size=1, max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
    # Keys that look like what other keys become.
    st.binary(min_size=1, max_size=600).map(lambda key: id_of_key(key).encode()),
    st.tuples(st.sampled_from(ENCODED), st.text("abcdef0123456789-_", max_size=64)).map(
        lambda pair: "".join(pair).encode()
    ),
)
prefixes = st.one_of(st.just(""), st.text(max_size=64).filter(lambda text: text.isprintable()))


@given(st.lists(keys, unique=True, min_size=2, max_size=6), prefixes)
@example([b"\xff", b"~b64~_w"], "")
@example([b"~b64~_w", b"~b64~fmI2NH5fdw"], "")
@example([b"a" * 513, b"~sha256~" + b"0" * 64], "")
def test_different_keys_have_different_ids(some, prefix):
    ids = [id_of_key(key, prefix) for key in some]
    assert len(set(ids)) == len(ids)


@given(keys, prefixes)
@example("é".encode() * 256, "")
@example("é".encode() * 256, "é")
@example("🎬".encode() * 129, "")
@example(b"\xff" * 400, "p" * 64)
def test_an_id_is_never_longer_than_elasticsearch_takes(key, prefix):
    made = id_of_key(key, prefix)
    assert made.startswith(prefix)
    assert 0 < len(made.encode()) <= identity.MAX_ID_BYTES


@pytest.mark.parametrize("key", ["882598", "élan", "a b/c?d", "é" * 256, "~other~", " ", "\x00"])
def test_a_readable_key_is_the_id(key):
    assert id_of_key(key.encode()) == key
    assert id_of_key(key.encode(), "x:")[:2] == "x:"


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (b"\xff\xfe", "~b64~"),
        (b"~b64~x", "~b64~"),
        (b"~pos~x", "~b64~"),
        (b"\xff" * 400, "~sha256~"),
        (b"a" * 513, "~sha256~"),
    ],
)
def test_other_keys_are_encoded(key, kind):
    assert id_of_key(key).startswith(kind)


def test_a_prefix_counts_into_the_bound():
    assert id_of_key(b"a" * 510, "p:") == "p:" + "a" * 510
    assert id_of_key(b"a" * 511, "p:").startswith("p:~sha256~")


def test_an_empty_key_is_no_identity():
    with pytest.raises(IdentityError, match="empty"):
        id_of_key(b"")


@given(prefixes, st.text("abc.-_", min_size=1, max_size=249), st.integers(0, identity.MAX_EPOCH), st.integers(0, 2**31))
@example("🎬" * 64, "a" * 249, identity.MAX_EPOCH, 2**31)
def test_an_id_of_a_position_fits_too(prefix, topic, epoch, number):
    made = id_of_position(record(2**43, partition=Partition(topic, number)), epoch, prefix)
    assert made.startswith(prefix)
    assert len(made.encode()) <= identity.MAX_ID_BYTES


def test_positions_are_told_apart():
    places = itertools.product(["a", "a-1"], [1, 11], [0, 1], [0, 1])
    ids = {id_of_position(record(offset, partition=Partition(topic, n)), epoch) for topic, epoch, n, offset in places}
    assert len(ids) == 16
    # No key can take such an id.
    assert all(id_of_key(one.encode()) != one for one in ids)


@pytest.mark.parametrize(("value", "expected"), [("x1", "x1"), (17, "17"), (-1, "-1"), ("~pos~", "~b64~fnBvc34")])
def test_a_field_gives_an_id(value, expected):
    assert id_of_field({"id": value}, "id") == expected


@pytest.mark.parametrize("value", [None, True, 1.5, [], {}, ["a"], ""])
def test_other_fields_give_none(value):
    with pytest.raises(IdentityError):
        id_of_field({"id": value}, "id")


positions = st.tuples(st.integers(0, identity.MAX_EPOCH), st.integers(0, identity.MAX_OFFSET), st.integers(0, 3))


@given(positions, positions)
@example((1, identity.MAX_OFFSET, 3), (2, 0, 0))
@example((1, 7, 3), (1, 8, 0))
def test_versions_are_in_the_order_of_epoch_offset_and_stage(one, other):
    first, second = version_of_position(*one), version_of_position(*other)
    assert (first < second) == (one < other)
    assert (first == second) == (one == other)


@given(positions)
def test_a_version_is_laid_out_as_documented_and_external(position):
    epoch, offset, stage = position
    version = version_of_position(epoch, offset, stage)
    assert version == (epoch << 46) + ((offset + 1) << 2) + stage
    assert 0 < version <= 2**63 - 1


@pytest.mark.parametrize(
    "position",
    [(-1, 0, 1), (identity.MAX_EPOCH + 1, 0, 1), (1, -1, 1), (1, identity.MAX_OFFSET + 1, 1), (1, 0, -1), (1, 0, 4)],
)
def test_what_does_not_fit_has_no_version(position):
    with pytest.raises(IdentityError):
        version_of_position(*position)


def test_the_stage_defaults_to_complete():
    assert version_of_position(1, 0) == version_of_position(1, 0, 1) == version_of_position(1, 0, 0) + 1


@pytest.mark.parametrize(
    ("value", "version"), [(0, 0), (17, 17), ("17", 17), (b"17", 17), (2**63 - 1, 2**63 - 1), (b"007", 7)]
)
def test_a_version_is_taken_as_it_is(value, version):
    assert identity.version_of_value(value, "it") == version


@pytest.mark.parametrize(
    "value",
    [None, True, 1.0, "", b"", "-1", -1, "1.0", "x", "٣", "²", b"\xff", b" 1", [], {}, 2**63, str(2**63), b"9" * 5_000],
)
def test_anything_else_is_no_version(value):
    with pytest.raises(IdentityError, match="whole number"):
        identity.version_of_value(value, "the field 'v'")


@given(st.one_of(st.none(), st.binary(), st.text(), st.floats(), st.booleans(), st.integers()))
def test_a_version_is_had_or_refused(value):
    try:
        version = identity.version_of_value(value, "it")
    except IdentityError:
        return
    assert 0 <= version <= identity.MAX_VERSION
