"""Coalescer, batcher and books together: nothing is lost, doubled or out of order, whatever comes and goes."""

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streamer.intake import identity
from tests.unit.batching.world import LANES, PARTITIONS, Entry, World

KINDS = ["good"] * 6 + ["deletion", "deletion", "poison", "poison", "broken"]


class BooksMachine(RuleBasedStateMachine):
    """Keys live in both partitions; versions are positions, or numbers of the records themselves."""

    @initialize(given_versions=st.booleans())
    def begin(self, given_versions):
        self.world = World(by_position=not given_versions)

    @property
    def idle(self):
        return sorted(set(PARTITIONS) - set(self.world.generations))

    @property
    def staying(self):
        return sorted(set(self.world.generations) - self.world.leaving)

    @precondition(lambda self: self.idle)
    @rule(data=st.data())
    def assign(self, data):
        self.world.assign(data.draw(st.sampled_from(self.idle)))

    @precondition(lambda self: self.staying)
    @rule(
        data=st.data(),
        entries=st.lists(
            st.builds(
                Entry,
                id=st.sampled_from("abc"),
                lane=st.sampled_from(LANES),
                size=st.integers(0, 50),
                kind=st.sampled_from(KINDS),
                version=st.integers(0, 9),
                unasked=st.booleans(),
            ),
            min_size=1,
            max_size=3,
        ),
    )
    def deliver(self, data, entries):
        partition = data.draw(st.sampled_from(self.staying))
        if self.world.by_position:
            first = self.world.next[partition]
            entries = [
                msgspec.structs.replace(entry, version=identity.version_of_position(1, first + n))
                for n, entry in enumerate(entries)
            ]
        self.world.deliver(partition, entries)

    @rule(lane=st.sampled_from(LANES), units=st.integers(1, 3), size=st.integers(1, 100))
    def form(self, lane, units, size):
        self.world.form(lane, units, size)

    @rule(units=st.integers(1, 3))
    def ask(self, units):
        self.world.ask(units)

    @precondition(lambda self: self.world.asked)
    @rule(data=st.data(), found=st.sampled_from(["unchanged", "changed", "later"]))
    def look_up(self, data, found):
        number = data.draw(st.integers(0, len(self.world.asked) - 1))
        self.world.answer(self.world.asked[number], found)

    @precondition(lambda self: self.world.flying)
    @rule(data=st.data())
    def answer(self, data):
        places = data.draw(st.sets(st.sampled_from(range(len(self.world.flying))), min_size=1))
        self.world.end(*[self.world.flying[place] for place in places])

    @precondition(lambda self: self.world.flying)
    @rule(data=st.data(), applied=st.booleans())
    def send_again(self, data, applied):
        self.world.send_again(data.draw(st.sampled_from(self.world.flying)), applied)

    @precondition(lambda self: self.world.burying)
    @rule(data=st.data())
    def bury(self, data):
        self.world.bury(data.draw(st.integers(0, len(self.world.burying) - 1)))

    @precondition(lambda self: self.staying)
    @rule(data=st.data(), at_once=st.booleans())
    def leave(self, data, at_once):
        partition = data.draw(st.sampled_from(self.staying))
        self.world.leave(partition)
        if at_once:
            self.world.fence(partition)

    @precondition(lambda self: self.world.leaving)
    @rule(data=st.data())
    def fence(self, data):
        self.world.fence(data.draw(st.sampled_from(sorted(self.world.leaving))))

    @invariant()
    def conservation_holds(self):
        accounts = self.world.books.accounts
        assert {
            account: accounts.difference(account) for account in accounts.consumed if accounts.difference(account)
        } == {}
        assert min([0, *accounts.waiting.values(), *accounts.in_flight.values()]) == 0

    @invariant()
    def what_is_in_flight_is_counted(self):
        world = self.world
        ours = [one for one in world.flying if world.books.ledger.holds(one.partition, one.generation)]
        rejected = [one for one, generation in world.burying if world.books.ledger.holds(one.partition, generation)]
        assert world.books.accounts.in_flight.total() == len(ours) + len(rejected)
        for partition in PARTITIONS:
            busy = any(one.partition == partition for one in [*ours, *rejected])
            assert world.books.drained([partition]) == (not busy)

    @invariant()
    def what_waits_is_ready_or_asked_about_or_behind_its_key(self):
        books = self.world.books
        asked = {id(one) for one in self.world.asked}
        ready = [books._coalescer.ready(key) for key in books._coalescer._waiting]
        unqueued = [one for one in ready if one is not None and one.key not in books._batcher.keys(one.queue)]
        assert all(id(one) in asked for one in unqueued)

    @invariant()
    def no_key_is_in_flight_twice(self):
        keys = [one.key for one in self.world.flying]
        assert len(set(keys)) == len(keys)

    @invariant()
    def what_is_outstanding_is_counted(self):
        world = self.world
        assert world.books.flow.size == sum(one.size + len(one.id) for one in world.outstanding())

    @invariant()
    def what_is_done_is_in_the_index_or_buried_or_a_newer_one_will_be(self):
        for place, entry in self.world.done():
            assert place in self.world.buried or self.world.is_kept(entry), (place, entry)

    def teardown(self):
        world = self.world
        world.finish()
        self.conservation_holds()
        self.what_is_done_is_in_the_index_or_buried_or_a_newer_one_will_be()
        assert world.books.accounts.waiting.total() == world.books.accounts.in_flight.total() == 0
        assert world.books.flow.size == 0
        assert len(world.books._coalescer) == 0
        for partition, log in world.log.items():
            assert world.books.ledger[partition].position in {len(log), None}
        for newest in world.newest().values():
            assert world.index.get(newest.id, -1) == newest.version, newest
        assert set(world.index) <= set(world.newest())


TestBooks = BooksMachine.TestCase
TestBooks.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
