"""What is told of records that ended otherwise: true, and bounded."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streamer.batching.endings import MOST_RUNS, OTHERWISE, Endings
from streamer.model import Result

ENDED = st.sampled_from([Result.INDEXED, Result.DEAD_LETTERED, Result.SUPERSEDED])


@given(st.dictionaries(st.integers(0, 60), ENDED).flatmap(lambda ends: st.permutations(sorted(ends.items()))))
def test_every_end_is_told_in_whatever_order_they_come(ends):
    endings = Endings(0)
    for offset, result in ends:
        endings.add(offset, result)
    told = endings.told()
    assert told == sorted(told)
    found = {offset: ended for first, last, ended in told for offset in range(first, last + 1)}
    assert found == {offset: result.value for offset, result in ends if result in OTHERWISE}
    assert all(one[1] + 1 < two[0] or one[2] != two[2] for one, two in pairwise(told))


@given(st.permutations(range(3 * MOST_RUNS)))
def test_of_many_runs_the_highest_are_told_and_it_is_said_from_where(offsets):
    endings = Endings(0)
    for offset in offsets:
        endings.add(2 * offset, Result.DEAD_LETTERED)
    told = [first for first, *_ in endings.told()]
    assert len(told) == MOST_RUNS
    assert told == [2 * offset for offset in range(3 * MOST_RUNS) if 2 * offset >= endings.since]


def test_what_lies_before_the_beginning_is_not_told():
    endings = Endings(5)
    endings.add(4, Result.DEAD_LETTERED)
    assert (endings.told(), endings.since) == ([], 5)
