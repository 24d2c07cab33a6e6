"""Positions as they are written, marks that grow, and what Elasticsearch says of an index."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_api.freshness.index import Facts, facts_of
from search_api.freshness.marks import MOST_RANGES, Mark, joined
from search_api.freshness.position import Position, parse
from streamer.errors import ElasticUnavailable
from streamer.model import Partition

MARKS = st.builds(
    lambda watermark, done: joined(Mark("A", watermark), Mark("A", 0, tuple(done))),
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3)).map(lambda it: (it[0], sum(it))), max_size=8),
)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("films-0@1234", Position(Partition("films", 0), 1234)),
        ("a-1-2-3@4", Position(Partition("a-1-2", 3), 4)),
        ("a.b_c-0@0:kHbDNzUqTAeDbkzlkJUyTw", Position(Partition("a.b_c", 0), 0, "kHbDNzUqTAeDbkzlkJUyTw")),
    ],
)
def test_a_position_is_read_and_written(text, position):
    assert parse(text) == position
    assert str(position) == text


def test_an_id_is_told_as_a_url_takes_it_and_read_either_way():
    position = Position(Partition("films", 0), 1, "vve+Pve/PvcAAAAAAAAABQ")
    assert str(position) == "films-0@1:vve-Pve_PvcAAAAAAAAABQ"
    assert parse(str(position)) == parse("films-0@1:vve+Pve/PvcAAAAAAAAABQ") == position


@pytest.mark.parametrize("text", ["", "films", "films-0", "films@3", "films-x@3", "films-0@-3", "f/g-0@3", "f-0@3:x"])
def test_what_is_no_position_is_refused(text):
    with pytest.raises(ValueError, match="TOPIC-PARTITION@OFFSET"):
        parse(text)


@given(MARKS, MARKS)
def test_two_marks_say_together_what_each_says(one, other):
    both = joined(one, other)
    assert both == joined(other, one)
    for offset in range(70):
        assert (offset in both) == (offset in one or offset in other)
    assert all(first > both.watermark for first, _ in both.done)
    assert both.missing(10, 50) == sum(offset not in both for offset in range(10, 50))


def test_of_many_ranges_those_near_the_watermark_are_kept():
    mark = joined(Mark("A", 0), Mark("A", 0, tuple((2 * n + 1, 2 * n + 1) for n in range(500))))
    assert len(mark.done) == MOST_RANGES
    assert 1 in mark
    assert 999 not in mark


def settings(created, interval=None):
    found = {"index.creation_date": str(created)}
    return {"settings": found if interval is None else found | {"index.refresh_interval": interval}}


@pytest.mark.parametrize(
    ("answer", "facts"),
    [
        ({"a": settings(5, "1s")}, Facts(5, 1.0)),
        ({"a": settings(5)}, Facts(5, 1.0)),
        ({"a": settings(7, "500ms"), "b": settings(5, "2m")}, Facts(5, 120.0)),
        ({"a": settings(5, "-1")}, Facts(5, float("inf"))),
    ],
)
def test_an_index_is_as_old_as_its_oldest_part_and_as_slow_as_its_slowest(answer, facts):
    assert facts_of("films", answer) == facts


def test_an_alias_without_an_index_is_an_error():
    with pytest.raises(ElasticUnavailable, match="no index behind films"):
        facts_of("films", {})
