import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from streamer.errors import InputError
from streamer.ops.windows import Outcome, Window, added, key_of, sums, totals, window, window_sizes

COUNTS = st.dictionaries(st.sampled_from(["indexed", "stale", "deleted"]), st.integers(0, 1_000))
KEPT = st.fixed_dictionaries({}, optional={"results": COUNTS, "rejections": COUNTS})
EVENT = Outcome("films", "movies", {"indexed": 3, "no_text": 1}, {"queue_full": 2})


def test_an_outcome_is_read_from_the_event_of_the_schema():
    event = schemas.schema("outcome")["examples"][0]
    assert msgspec.convert(event, Outcome) == Outcome("films", "films", event["results"], event["rejections"])


def test_key_is_topic_and_index():
    assert key_of(EVENT) == "films|movies"


def test_sums_of_one_event():
    assert added({}, sums(EVENT)) == {"results": {"indexed": 3, "no_text": 1}, "rejections": {"queue_full": 2}}


@given(KEPT, KEPT, KEPT)
def test_the_order_of_events_does_not_matter(one, two, three):
    assert added(added(one, two), three) == added(one, added(two, three))
    assert added(one, two) == added(two, one)


def test_sums_do_not_change_what_they_add():
    one = sums(EVENT)
    added(one, sums(EVENT))
    assert one == sums(EVENT)


def test_a_closed_window_has_a_rate_over_its_size():
    assert window("films|movies", 100.0, 10, sums(EVENT), 200.0) == Window(
        start_ms=100_000,
        end_ms=110_000,
        topic="films",
        index="movies",
        results={"indexed": 3, "no_text": 1},
        rejections={"queue_full": 2},
        records=4,
        rate_per_s=0.4,
        closed=True,
    )


@pytest.mark.parametrize(("now", "rate", "closed"), [(102.0, 2.0, False), (109.99, 0.4, False), (110.0, 0.4, True)])
def test_an_open_window_has_a_rate_over_the_time_that_passed(now, rate, closed):
    found = window("films|movies", 100.0, 10, sums(EVENT), now)
    assert (found.rate_per_s, found.closed) == (pytest.approx(rate, abs=0.001), closed)


def test_a_window_that_begins_now_has_no_rate():
    assert window("a|b", 100.0, 10, sums(EVENT), 100.0).rate_per_s == 0.0
    assert window("a|b", 100.0, 10, {}, 99.0).records == 0


def test_totals_by_topic_and_index():
    windows = [window(key, start, 10, sums(EVENT), 200.0) for key in ("a|x", "b|x") for start in (100.0, 110.0)]
    assert totals(windows) == {
        key: {"results": {"indexed": 6, "no_text": 2}, "rejections": {"queue_full": 4}} for key in ("a -> x", "b -> x")
    }
    assert totals([]) == {}


@pytest.mark.parametrize(("text", "sizes"), [("10", (10,)), ("60, 10,10", (10, 60))])
def test_sizes(text, sizes):
    assert window_sizes(text) == sizes


@pytest.mark.parametrize("text", ["", "0", "a", "1.5", "10,", "-1", "²"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(InputError, match="for example 10,60"):
        window_sizes(text)
