import pytest

from streamer.errors import StateError
from streamer.kafka.admin import Topic
from streamer.setup.epochs import Epoch, current_epoch, epoch_id, next_epoch, refuse_newer, refuse_without_state


def epoch(number=1, topic_id="a", starts=None):
    return Epoch("cluster", "films", topic_id, number, starts or {"0": 0, "1": 0}, 1)


def test_the_first_epoch_is_one():
    made = next_epoch([], Topic("films", "a", 2), "cluster", {1: 7, 0: 5}, 42)
    assert made == Epoch("cluster", "films", "a", 1, {"0": 5, "1": 7}, 42)
    assert (made.kind, made.schema_version) == ("epoch", 1)


def test_a_known_topic_keeps_its_epoch():
    assert current_epoch([epoch(1, "a"), epoch(2, "b")], Topic("films", "a", 2)).epoch == 1


def test_a_new_topic_id_has_none_yet_and_gets_the_next():
    topic = Topic("films", "c", 2)
    known = [epoch(1, "a"), epoch(2, "b")]
    assert current_epoch(known, topic) is None
    assert next_epoch(known, topic, "cluster", {}, 1).epoch == 3


def test_grown_partitions_are_refused():
    with pytest.raises(StateError, match="has 4 partitions and had 2"):
        current_epoch([epoch()], Topic("films", "a", 4))


def test_a_topic_made_again_may_have_more_partitions():
    assert current_epoch([epoch()], Topic("films", "b", 4)) is None


def test_id_names_cluster_topic_and_number():
    assert epoch_id("cluster", "films", 3) == "epoch:cluster:films:3"


def test_newer_state_is_refused():
    refuse_newer(1, "x")
    with pytest.raises(StateError, match="x has schema version 2 and this program knows 1"):
        refuse_newer(2, "x")


def test_documents_without_state_are_refused_with_a_way_out():
    refuse_without_state("films", "films", 0)
    with pytest.raises(StateError, match=r"9 documents of the topic 'films'.*snapshot"):
        refuse_without_state("films", "films", 9)
