import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import StateError
from streamer.intake.timeline import Timeline
from streamer.kafka.admin import Topic
from streamer.setup.epochs import (
    Epoch,
    Mark,
    epoch_id,
    is_open,
    is_replaced,
    mark_id,
    next_epoch,
    refuse_grown,
    refuse_lost,
    refuse_newer,
    refuse_without_state,
    starts_after_growth,
    timeline_of,
)


def epoch(number=1, topic_id="a", starts=None):
    return Epoch("cluster", "films", topic_id, number, starts or {"0": 0, "1": 0}, 1)


def boundary(**ends):
    return Mark("boundary", "cluster", "films", "a", {number[1:]: end for number, end in ends.items()}, 1)


def test_the_first_epoch_is_one():
    made = next_epoch([], Topic("films", "a", 2), "cluster", {1: 7, 0: 5}, 42)
    assert made == Epoch("cluster", "films", "a", 1, {"0": 5, "1": 7}, 42)
    assert (made.kind, made.schema_version) == ("epoch", 1)


def test_a_known_topic_keeps_its_epoch():
    assert timeline_of([epoch(1, "a"), epoch(2, "b")], "a") == Timeline({0: ((0, 1),), 1: ((0, 1),)})


def test_a_new_topic_id_has_none_yet_and_gets_the_next():
    known = [epoch(1, "a"), epoch(2, "b")]
    assert timeline_of(known, "c") is None
    assert next_epoch(known, Topic("films", "c", 2), "cluster", {}, 1).epoch == 3


def test_an_id_that_was_followed_by_another_never_comes_back():
    known = [epoch(1, "a"), epoch(2, "b"), epoch(3, "b")]
    assert [is_replaced(known, topic_id) for topic_id in "abc"] == [True, False, False]


def test_grown_partitions_are_refused_with_a_way_out():
    timeline = timeline_of([epoch()], "a")
    with pytest.raises(StateError, match=r"has 4 partitions and had 2.*`streamer repartition films`"):
        refuse_grown(timeline, Topic("films", "a", 4))
    refuse_grown(timeline, Topic("films", "a", 2))
    # Asked of a broker that has not heard of them yet.
    refuse_grown(timeline, Topic("films", "a", 1))


def test_after_growth_the_old_go_on_and_the_new_are_an_epoch_above():
    old, new = starts_after_growth(boundary(p0=7, p1=9), 4)
    known = [epoch(1, "x"), epoch(2), epoch(3, starts={"0": 7, "1": 9}), epoch(4, starts={"2": 0, "3": 0})]
    assert [(one.starts, is_open(known, "a", starts)) for one, starts in zip(known[2:], (old, new), strict=True)] == [
        ({"0": 7, "1": 9}, True),
        ({"2": 0, "3": 0}, True),
    ]
    timeline = timeline_of(known, "a")
    assert (len(timeline), timeline.newest) == (4, 4)
    assert [timeline.epoch_at(0, offset) for offset in (6, 7)] == [2, 3]
    assert timeline.epoch_at(3, 0) == 4
    assert not is_open(known, "x", old)


MOVES = st.lists(
    st.tuples(st.integers(0, 11), st.booleans()), min_size=1, max_size=60
)  # (hash of a key, whether it is written before the boundary)


@given(MOVES, st.integers(-3, 3))
def test_after_doubling_no_older_record_of_a_key_beats_a_newer_one(writes, late):
    """The producers learn of the new partitions `late` writes after the boundary was drawn, or before it."""
    before = [key for key, is_early in writes if is_early]
    learned = max(0, len(before) + late)
    order = [*before, *(key for key, is_early in writes if not is_early)]
    places, lengths, boundary_at = [], dict.fromkeys(range(4), 0), {}
    for count, key in enumerate(order):
        if count == len(before):
            boundary_at = {number: lengths[number] for number in range(2)}
        number = key % 2 if count < learned else key % 4
        places.append((key, number, lengths[number]))
        lengths[number] += 1
    boundary_at = boundary_at or {number: lengths[number] for number in range(2)}
    known = [epoch()]
    for number, starts in enumerate(starts_after_growth(boundary(**{f"p{n}": at for n, at in boundary_at.items()}), 4)):
        known.append(epoch(number + 2, starts={str(n): at for n, at in starts.items()}))
    timeline = timeline_of(known, "a")
    versions = {}
    for key, number, offset in places:
        version = (timeline.epoch_at(number, offset), offset)
        assert versions.get(key, (0, 0)) < version
        versions[key] = version


def test_ids_name_cluster_topic_and_number():
    assert epoch_id("cluster", "films", 3) == "epoch:cluster:films:3"
    assert mark_id(boundary(p0=1, p1=2)) == "boundary:cluster:films:a:2"


def test_newer_state_is_refused():
    refuse_newer(1, "x")
    with pytest.raises(StateError, match="x has schema version 2 and this program knows 1"):
        refuse_newer(2, "x")


def test_documents_without_state_are_refused_with_a_way_out():
    refuse_without_state("films", "films", 0)
    with pytest.raises(StateError, match=r"9 documents of the topic 'films'.*snapshot"):
        refuse_without_state("films", "films", 9)


def test_epochs_in_use_that_are_gone_are_refused_with_a_way_out():
    timeline = Timeline({0: ((0, 1), (5, 2))})
    refuse_lost([epoch(1), epoch(2), epoch(3)], timeline, "films", "films")
    with pytest.raises(StateError, match=r"epoch 2 of the topic 'films' is gone.*snapshot.*delete the index behind"):
        refuse_lost([epoch(1)], timeline, "films", "films")
