"""The epoch of an offset, over any list of epochs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.intake.timeline import Timeline

OFFSETS = st.integers(0, 30)
EPOCHS = st.lists(st.tuples(OFFSETS, st.integers(1, 9)), min_size=1, max_size=5, unique_by=lambda mark: mark[1])
GROWN = Timeline({0: ((5, 1), (20, 2)), 1: ((0, 1), (0, 2)), 4: ((0, 3),)})


@pytest.mark.parametrize(
    ("number", "offset", "epoch"),
    [(0, 5, 1), (0, 19, 1), (0, 20, 2), (0, 10**9, 2), (0, None, 2), (0, 0, 1), (1, 0, 2), (4, 0, 3), (4, None, 3)],
)
def test_an_epoch_begins_at_its_start(number, offset, epoch):
    assert GROWN.epoch_at(number, offset) == epoch


def test_what_a_timeline_knows():
    assert (0 in GROWN, 2 in GROWN, len(GROWN), GROWN.newest) == (True, False, 3, 3)
    assert GROWN.epochs == {1, 2, 3}


@given(EPOCHS, OFFSETS)
def test_the_highest_epoch_that_has_begun(marks, offset):
    marks = tuple(sorted(marks, key=lambda mark: mark[1]))
    begun = [epoch for start, epoch in marks if start <= offset]
    assert Timeline({0: marks}).epoch_at(0, offset) == max(begun, default=marks[0][1])


@given(st.lists(OFFSETS, min_size=1, max_size=5), OFFSETS, OFFSETS)
def test_a_later_offset_never_belongs_to_an_earlier_epoch(starts, one, other):
    timeline = Timeline({0: tuple((start, epoch) for epoch, start in enumerate(sorted(starts), 1))})
    first, last = sorted([one, other])
    assert timeline.epoch_at(0, first) <= timeline.epoch_at(0, last)
