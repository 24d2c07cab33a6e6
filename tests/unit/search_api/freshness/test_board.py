"""No claim without the thing: what the board says is held against a model of topic, streamer and index."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from search_api.freshness.board import Board
from search_api.freshness.marks import Otherwise
from search_api.freshness.position import Position
from tests.unit.search_api.freshness.model import ALIAS, DELAY, PARTITIONS, TOPIC, World, event, sample

P0, P1 = PARTITIONS
PARTITION = st.sampled_from([0, 1])


class Claims(RuleBasedStateMachine):
    """Events come late, twice, in any order or never; samples and refreshes take their time."""

    def __init__(self):
        super().__init__()
        self.world = World()
        self.sample(overtaken=False)

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 5.0]))
    def time_passes(self, seconds):
        self.world.now += seconds

    @rule(partition=PARTITION, records=st.integers(1, 3))
    def append(self, partition, records):
        for _ in range(records):
            self.world.append(partition)

    @rule(
        partition=PARTITION,
        data=st.data(),
        endings=st.lists(
            st.sampled_from(["indexed", "indexed", "dead_lettered", "superseded", "lexical"]), min_size=1, max_size=4
        ),
    )
    def complete(self, partition, data, endings):
        for ended in endings:
            if offsets := self.world.open_offsets(partition)[:3]:
                self.world.complete(partition, data.draw(st.sampled_from(offsets)), ended)

    @rule(partition=PARTITION, told=st.integers(0, 4), heard=st.booleans())
    def publish(self, partition, told, heard):
        self.world.publish(partition, told)
        if heard:
            self.world.hear(-1)

    @precondition(lambda self: self.world.events)
    @rule(back=st.integers(1, 5))
    def hear_again(self, back):
        self.world.hear(-min(back, len(self.world.events)))

    @rule(overtaken=st.booleans())
    def sample(self, overtaken):
        self.world.begin_sample()
        if not overtaken:
            self.end_sample()

    @precondition(lambda self: self.world.samples)
    @rule()
    def end_sample(self):
        self.world.end_sample()

    @rule(overtaken=st.booleans())
    def refresh(self, overtaken):
        self.world.begin_refresh()
        if not overtaken:
            self.end_refresh()

    @precondition(lambda self: self.world.refreshes)
    @rule()
    def end_refresh(self):
        self.world.end_refresh()

    @rule(really=st.sampled_from([False, False, True]))
    def make_topic_again(self, really):
        if really and self.world.topic_id < "D":
            self.world.make_topic_again()

    @rule(really=st.sampled_from([False, False, True]), answers=st.booleans())
    def make_index_again(self, really, answers):
        if really:
            self.world.make_index_again(answers=answers)

    @rule(answers=st.booleans())
    def look_at_index(self, answers):
        self.world.look_at_index(answers=answers)

    @invariant()
    def nothing_is_claimed_that_is_not_so(self):
        self.world.check()


Claims.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestClaims = Claims.TestCase


def board(now=100.0):
    made = Board(ALIAS, [TOPIC], DELAY)
    made.index_is(0, DELAY, now)
    return made


def state(one, offset, now, topic_id=None, place=P0):
    return one.state(Position(place, offset, topic_id), one.searchable(now))


def test_a_position_goes_from_pending_to_searchable():
    one = board()
    one.sampled(sample(100.0, 3))
    assert [state(one, offset, 100.0) for offset in (2, 3)] == ["pending", "beyond"]
    one.progressed(event(2, [(3, 3)]), 101.0)
    assert [state(one, offset, 101.0) for offset in (1, 2, 3)] == ["indexed", "pending", "indexed"]
    assert [state(one, offset, 101.0 + DELAY) for offset in (1, 2, 3)] == ["searchable", "pending", "searchable"]
    assert one.next_searchable(101.0) == 101.0 + DELAY
    one.progressed(event(4), 102.0)
    one.refreshed(one.indexed(), 0)
    assert state(one, 2, 102.0) == "searchable"


def test_how_a_position_ended_is_told_apart():
    one = board()
    one.sampled(sample(100.0, 9))
    runs = ((5, 5, "dead_lettered"), (6, 6, "stale"), (7, 7, "lexical"), (8, 8, "repeated"))
    one.progressed(event(9, otherwise=Otherwise(4, runs)), 101.0)
    one.refreshed(one.indexed(), 0)
    states = [state(one, offset, 101.0) for offset in range(3, 9)]
    assert states == ["done", "searchable", "dead_lettered", "superseded", "lexical", "done"]
    one.progressed(event(9, otherwise=None), 101.0)
    assert state(one, 5, 101.0) == "done"


def test_a_claim_says_what_is_missing_and_since_when():
    one = board()
    one.sampled(sample(100.0, 4))
    one.sampled(sample(101.0, 9))
    one.progressed(event(5, [(7, 7)]), 102.0)
    (claim,) = one.claims(one.searchable(102.0 + DELAY))
    assert (claim.offset, claim.lag, claim.current_at) == (5, 3, 100.0)
    one.progressed(event(9), 103.0)
    (claim,) = one.claims(one.searchable(103.0 + DELAY))
    assert (claim.offset, claim.lag, claim.current_at) == (9, 0, 101.0)


def test_an_empty_partition_lacks_nothing_and_an_untold_one_is_unknown():
    one = board()
    one.sampled(sample(100.0, 4, low=4))
    (claim,) = one.claims({})
    assert (claim.offset, claim.lag, claim.current_at) == (None, 0, 100.0)
    one.sampled(sample(101.0, 5, low=4))
    (claim,) = one.claims({})
    assert (claim.offset, claim.lag, claim.current_at) == (None, None, None)


def test_a_topic_that_was_made_again_begins_anew():
    one = board()
    one.sampled(sample(100.0, 9))
    one.progressed(event(9), 100.0)
    one.refreshed(one.indexed(), 0)
    one.sampled(sample(101.0, 3, "B"))
    assert [state(one, 1, 110.0), state(one, 1, 110.0, "A")] == ["pending", "elsewhere"]
    one.progressed(event(9), 111.0)
    assert state(one, 1, 120.0) == "pending"
    one.progressed(event(2, topic_id="B"), 121.0)
    assert state(one, 1, 121.0 + DELAY, "B") == "searchable"


def test_an_index_that_was_made_again_knows_nothing_of_before():
    one = board()
    one.sampled(sample(100.0, 9))
    one.progressed(event(9, at_ms=1_000), 100.0)
    one.refreshed(one.indexed(), 0)
    one.index_is(2_000, DELAY, 101.0)
    assert state(one, 1, 110.0) == "pending"
    one.progressed(event(9, at_ms=1_999), 110.0)
    assert state(one, 1, 120.0) == "pending"
    one.progressed(event(2, at_ms=2_000), 121.0)
    assert [state(one, offset, 130.0) for offset in (1, 2)] == ["searchable", "pending"]


def test_what_was_said_after_an_index_was_made_again_counts_at_once():
    one = board()
    one.sampled(sample(100.0, 9))
    one.progressed(event(9, at_ms=1_000), 100.0)
    one.progressed(event(2, at_ms=2_500), 100.5)
    one.refreshed(one.indexed(), 0)
    one.index_is(2_000, DELAY, 101.0)
    assert [state(one, offset, 101.0 + DELAY - 0.1) for offset in (1, 2)] == ["indexed", "pending"]
    assert [state(one, offset, 101.0 + DELAY) for offset in (1, 2)] == ["searchable", "pending"]


def test_nothing_is_known_before_the_index_is():
    one = Board(ALIAS, [TOPIC], DELAY)
    one.sampled(sample(100.0, 0))
    one.progressed(event(9), 100.0)
    assert (one.indexed(), one.searchable(110.0)) == ({}, {})
    assert one.claims({})[0].current_at is None


def test_nothing_is_said_while_nobody_knows_what_the_index_is():
    one = board()
    one.sampled(sample(100.0, 9))
    one.progressed(event(9), 100.0)
    one.refreshed(one.indexed(), 0)
    one.index_is_unknown()
    assert (one.indexed(), one.searchable(110.0), one.proved()) == ({}, {}, {})
    assert (one.claims({})[0].lag, state(one, 1, 110.0)) == (None, "pending")
    one.index_is(0, DELAY, 111.0)
    assert state(one, 1, 111.0) == "searchable"


def test_events_of_other_topics_and_indices_are_not_ours():
    one = board()
    one.sampled(sample(100.0, 9))
    one.progressed(event(9, index="another"), 100.0)
    one.progressed(event(9, place=P0._replace(topic="another")), 100.0)
    assert state(one, 1, 110.0) == "pending"
    one.progressed(event(9, index=None), 100.0)
    assert state(one, 1, 110.0) == "searchable"


def test_an_end_that_goes_back_is_believed_the_second_time():
    one = board()
    one.sampled(sample(100.0, 9))
    one.sampled(sample(101.0, 5))
    assert one.claims({})[0].bounds is None
    one.sampled(sample(102.0, 5))
    assert one.claims({})[0].bounds.high == 5


def test_what_is_remembered_of_ends_is_bounded_and_stays_true():
    one = board()
    for second in range(5_000):
        one.sampled(sample(float(second), second))
    one.progressed(event(2_500), 5_000.0)
    (claim,) = one.claims(one.searchable(5_000.0 + DELAY))
    assert 0 <= claim.current_at <= 2_500.0
    assert len(one._logs[P0]._highs) <= 512
    one.progressed(event(4_999), 5_001.0)
    (claim,) = one.claims(one.searchable(5_001.0 + DELAY))
    assert claim.current_at == 4_999.0


def test_what_is_known_is_searchable_in_time_however_often_more_comes():
    one = board()
    one.sampled(sample(100.0, 1_000))
    for step in range(1, 101):
        one.progressed(event(step), 100.0 + step / 10)
    visible = one.searchable(110.0)
    assert 72 <= visible[P0].watermark <= 80
