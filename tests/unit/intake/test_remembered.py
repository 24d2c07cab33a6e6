"""What a commit remembers: whole for any ranges, bounded, and harmless when somebody else wrote it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.intake import remembered
from streamer.intake.remembered import MAX_DONE_CHARACTERS, Memory


@st.composite
def progress(draw, most=300):
    """A position and rising ranges above it."""
    position = draw(st.integers(0, 2**43))
    ranges, end = [], position
    for gap, length in draw(st.lists(st.tuples(st.integers(1, 2**20), st.integers(0, 2**20)), max_size=most)):
        ranges.append((end + gap, end + gap + length))
        end = ranges[-1][1]
    return position, ranges


@given(progress(), st.text(max_size=40), st.integers(1, 2**17))
def test_what_is_written_is_read_and_fits(known, topic_id, epoch):
    position, ranges = known
    done = remembered.write_ranges(position, ranges)
    text = remembered.write(Memory(topic_id, epoch, done))
    memory = remembered.read(text)
    assert memory == Memory(topic_id, epoch, done)
    kept = remembered.read_ranges(position, memory.done)
    assert kept == ranges[: len(kept)]
    assert kept == ranges or len(done) > MAX_DONE_CHARACTERS - 24


def test_the_text_has_room_beside_the_brokers_limit():
    done = remembered.write_ranges(0, ((2 * n, 2 * n) for n in range(1, 10_000)))
    assert len(done) <= MAX_DONE_CHARACTERS
    assert len(remembered.write(Memory("kHbDNzUqTAeDbkzlkJUyTw", 2**17, done)).encode()) <= 4_096


@given(st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("latin-1"))))
def test_a_foreign_text_is_nobodys(text):
    assert remembered.read(text) is None


@pytest.mark.parametrize("text", ["", "[]", '{"v":2,"topic_id":"t","epoch":1}', '{"v":1,"epoch":1}', "null"])
def test_what_is_not_ours_is_not_read(text):
    assert remembered.read(text) is None


@given(st.integers(0, 2**43), st.text(max_size=60))
def test_broken_ranges_are_none_or_rising(position, text):
    ranges = remembered.read_ranges(position, text)
    ends = [offset for one in ranges for offset in one]
    assert ends == sorted(ends)
    assert all(offset >= position for offset in ends)
