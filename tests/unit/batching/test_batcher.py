"""What goes next: first come, first served, cut to the room."""

from hypothesis import given
from hypothesis import strategies as st

from streamer.batching.batcher import Batcher, Room
from streamer.model import PLAIN
from tests.unit.builders import LANE, deletion, write

WIDE = Room(100, 10_000)


class Shelf:
    """The writes that may be sent, by key; a test changes them as it likes."""

    def __init__(self, *writes):
        self.writes = {}
        self.batcher = Batcher(self.writes.get)
        for now, one in enumerate(writes):
            self.put(one, float(now))

    def put(self, one, now):
        self.writes[one.key] = one
        self.batcher.add(one.key, now)

    def form(self, lane, room):
        formed = self.batcher.form(lane, room)
        assert all(one.key == key for key, one in formed.items())
        return list(formed.values())


def test_keys_go_in_the_order_in_which_they_came():
    writes = [write(0, "c"), write(1, "a"), write(2, "b")]
    shelf = Shelf(*writes)
    assert shelf.form(LANE, Room(2, 10_000)) == writes[:2]
    assert shelf.form(LANE, WIDE) == writes[2:]
    assert shelf.form(LANE, WIDE) == []
    assert shelf.batcher.waiting(LANE) == 0


def test_a_newer_write_keeps_the_place_and_the_time():
    shelf = Shelf(write(0, "a"), write(1, "b"))
    newer = write(2, "a")
    shelf.put(newer, 9.0)
    assert shelf.batcher.oldest(LANE) == 0.0
    assert shelf.form(LANE, Room(1, 10_000)) == [newer]
    assert shelf.batcher.oldest(LANE) == 1.0


def test_a_write_of_another_lane_changes_the_queue():
    shelf = Shelf(write(0, "a"))
    gone = deletion(1, "a")
    shelf.put(gone, 5.0)
    assert (shelf.batcher.waiting(LANE), shelf.batcher.oldest(LANE)) == (0, None)
    assert (shelf.batcher.waiting(PLAIN), shelf.batcher.oldest(PLAIN)) == (1, 5.0)
    assert shelf.form(PLAIN, WIDE) == [gone]


def test_a_key_without_a_write_leaves_the_queue():
    shelf = Shelf(write(0, "a"))
    key = next(iter(shelf.writes))
    del shelf.writes[key]
    shelf.batcher.add(key, 1.0)
    assert shelf.batcher.waiting(LANE) == 0


def test_units_are_inputs():
    writes = [write(0, "a", inputs=2), write(1, "b", inputs=2), write(2, "c", inputs=1)]
    assert Shelf(*writes).form(LANE, Room(3, 10_000)) == writes[:1]
    assert Shelf(*writes).form(LANE, Room(4, 10_000)) == writes[:2]


def test_what_is_larger_than_the_room_goes_alone():
    writes = [write(0, "a", inputs=5), write(1, "b", body=b"x" * 99), write(2, "c")]
    shelf = Shelf(*writes)
    assert [shelf.form(LANE, Room(1, 10)) for _ in range(3)] == [[one] for one in writes]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 40)), max_size=12), st.integers(1, 6), st.integers(1, 60))
def test_everything_goes_once_in_order_and_within_the_room(shapes, units, size):
    writes = [write(n, str(n), inputs=inputs, body=b"x" * length) for n, (inputs, length) in enumerate(shapes)]
    shelf, formed = Shelf(*writes), []
    while shelf.batcher.waiting(LANE):
        batch = shelf.form(LANE, Room(units, size))
        assert batch
        if len(batch) > 1:
            assert sum(one.units for one in batch) <= units
            assert sum(one.size for one in batch) <= size
        formed += batch
    assert formed == writes
