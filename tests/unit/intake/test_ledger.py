"""The ledger against a model that remembers everything."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streamer.errors import LedgerError
from streamer.intake.ledger import Ledger, PartitionLedger
from tests.unit.builders import P0, P1

PARTITIONS = (P0, P1)


class Assignment:
    """What the model knows of one generation: each delivered offset, and which are done."""

    def __init__(self, generation):
        self.generation = generation
        self.delivered = []
        self.done = set()

    @property
    def undone(self):
        return [offset for offset in self.delivered if offset not in self.done]

    def allows(self, position):
        """Whether `position` has all done records before it and no undone one, gaps belonging to either side."""
        if position is None:
            return not self.delivered
        limit = min(self.undone, default=self.delivered[-1] + 1)
        before = [offset for offset in self.delivered if offset < limit]
        return (before[-1] + 1 if before else self.delivered[0]) <= position <= limit


class LedgerMachine(RuleBasedStateMachine):
    """Assign, deliver with gaps, complete in any order, fence; late completions of older generations as well."""

    def __init__(self):
        super().__init__()
        self.ledger = Ledger()
        self.model = {}
        self.fenced = []
        self.reached = {}

    @rule(partition=st.sampled_from(PARTITIONS))
    def assign(self, partition):
        self.fence(partition)
        generation = self.ledger.assign(partition)
        assert all(generation > one.generation for _, one in self.fenced)
        self.model[partition] = Assignment(generation)

    @rule(partition=st.sampled_from(PARTITIONS))
    def fence(self, partition):
        self.ledger.fence(partition)
        self.reached.pop(partition, None)
        if partition in self.model:
            self.fenced.append((partition, self.model.pop(partition)))

    @precondition(lambda self: self.model)
    @rule(data=st.data(), gaps=st.lists(st.integers(0, 3), min_size=1, max_size=4))
    def deliver(self, data, gaps):
        partition = data.draw(st.sampled_from(sorted(self.model)))
        assignment = self.model[partition]
        after = assignment.delivered[-1] + 1 if assignment.delivered else 0
        offsets = [after + n + sum(gaps[: n + 1]) for n in range(len(gaps))]
        self.ledger[partition].register(offsets)
        assignment.delivered += offsets

    @precondition(lambda self: self.model)
    @rule(data=st.data(), offset=st.integers(-1, 12))
    def complete(self, data, offset):
        partition = data.draw(st.sampled_from(sorted(self.model)))
        assignment = self.model[partition]
        if offset in assignment.undone:
            assert self.ledger.complete(partition, assignment.generation, [offset])
            assignment.done.add(offset)
        else:
            with pytest.raises(LedgerError):
                self.ledger.complete(partition, assignment.generation, [offset])

    @precondition(lambda self: any(assignment.undone for assignment in self.model.values()))
    @rule(data=st.data())
    def complete_some(self, data):
        partition = data.draw(st.sampled_from(sorted(one for one in self.model if self.model[one].undone)))
        assignment = self.model[partition]
        offsets = data.draw(st.lists(st.sampled_from(sorted(assignment.undone)), min_size=1, unique=True))
        assert self.ledger.complete(partition, assignment.generation, offsets)
        assignment.done.update(offsets)

    @precondition(lambda self: self.fenced)
    @rule(data=st.data(), offset=st.integers(0, 12))
    def complete_late(self, data, offset):
        partition, assignment = data.draw(st.sampled_from(self.fenced))
        assert not self.ledger.holds(partition, assignment.generation)
        assert not self.ledger.complete(partition, assignment.generation, [offset])

    @invariant()
    def agrees_with_the_model(self):
        assert set(self.ledger) == set(self.model)
        for partition, assignment in self.model.items():
            assert self.ledger.holds(partition, assignment.generation)
            ledger = self.ledger[partition]
            assert assignment.allows(ledger.position), ledger.position
            assert len(ledger) == len(assignment.undone)

    @invariant()
    def what_is_done_above_the_position_is_known(self):
        for partition, assignment in self.model.items():
            ledger = self.ledger[partition]
            ranges = list(ledger.done())
            inside = {offset for offset in assignment.delivered for first, last in ranges if first <= offset <= last}
            assert inside == {offset for offset in assignment.done if offset >= ledger.position}
            assert ranges == sorted(set(ranges))

    @invariant()
    def never_moves_back(self):
        for partition, ledger in ((partition, self.ledger[partition]) for partition in self.model):
            if ledger.position is not None:
                assert ledger.position >= self.reached.get(partition, 0)
                self.reached[partition] = ledger.position


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def delivered(*offsets):
    ledger = PartitionLedger(1)
    if offsets:
        ledger.register(offsets)
    return ledger


def test_without_records_there_is_no_position():
    assert delivered().position is None


def test_gaps_are_passed():
    ledger = delivered(10, 13, 20)
    assert ledger.position == 10
    ledger.complete([10])
    assert ledger.position == 13
    ledger.complete([13])
    ledger.complete([20])
    assert ledger.position == 21


def test_what_is_undone_is_not_passed():
    ledger = delivered(1, 2, 3)
    ledger.complete([3])
    ledger.complete([2])
    assert ledger.position == 1
    ledger.complete([1])
    assert ledger.position == 4


@pytest.mark.parametrize("offset", [5, 4])
def test_an_overlap_names_both_offsets(offset):
    with pytest.raises(LedgerError, match=f"offset {offset} .* offset 5"):
        delivered(5).register([offset])


@pytest.mark.parametrize("offset", [0, 2, 4])
def test_an_offset_that_was_not_delivered_cannot_be_done(offset):
    with pytest.raises(LedgerError, match=f"offset {offset} "):
        delivered(1, 3).complete([offset])


@pytest.mark.parametrize("offsets", [(5, 5), (5, 4), (7, 6, 8)])
def test_offsets_that_do_not_rise_change_nothing(offsets):
    ledger = delivered(3)
    with pytest.raises(LedgerError, match=f"offset {offsets[1]} .* offset {offsets[0]}"):
        ledger.register(offsets)
    assert len(ledger) == 1


def test_an_offset_is_done_once():
    ledger = delivered(1, 2)
    ledger.complete([2])
    with pytest.raises(LedgerError, match="offset 2 "):
        ledger.complete([2])


def test_what_an_earlier_assignment_has_done_is_known_until_it_is_passed():
    ledger = PartitionLedger(2, [(5, 6), (9, 12)])
    assert [offset for offset in (3, 4, 5, 6, 8, 9, 12, 13) if ledger.knows(offset)] == [5, 6, 9, 12]


def test_what_was_known_and_did_not_come_again_is_remembered_further():
    ledger = PartitionLedger(2, [(5, 6), (9, 12)])
    ledger.register([4])
    assert list(ledger.done()) == [(5, 6), (9, 12)]
    for offset in (5, 6, 9, 10):
        ledger.register([offset])
        ledger.complete([offset])
    assert list(ledger.done()) == [(5, 10), (11, 12)]
