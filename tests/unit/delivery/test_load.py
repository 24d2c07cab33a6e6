"""What is left of a batch, and in which requests it goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.delivery.load import Load
from tests.unit.builders import write


def writes(count):
    return [write(n, f"d{n}") for n in range(count)]


def ids(chunk):
    return [one.id for one in chunk]


def requests(load):
    """Take everything out, and return the ids of each request."""
    taken = []
    while load:
        taken.append(ids(load.take(alone=False)))
    return taken


def test_all_goes_at_once():
    assert requests(Load(writes(3))) == [["d0", "d1", "d2"]]


def test_a_probe_is_the_first_and_comes_back_to_its_place():
    load = Load(writes(3))
    probe = load.take(alone=True)
    assert ids(probe) == ["d0"]
    load.put_back(probe, probed=True)
    assert requests(load) == [["d0", "d1", "d2"]]


def test_what_goes_again_goes_together_after_the_rest():
    load = Load(writes(4))
    load.halve(load.take(alone=False))
    load.put_back(load.take(alone=False))
    assert requests(load) == [["d2", "d3"], ["d0", "d1"]]


@pytest.mark.parametrize("probed", [True, False])
def test_a_suspect_goes_alone_and_last(probed):
    load = Load(writes(4))
    taken = load.take(alone=False)
    load.halve(taken)
    first = load.take(alone=False)
    first[1].deaths = 1
    load.put_back(first, probed=probed)
    found = requests(load)
    assert found[-1] == ["d1"]
    assert sorted(name for names in found for name in names) == ["d0", "d1", "d2", "d3"]
    assert len(found) == (2 if probed else 3)


@given(st.integers(1, 200), st.data())
def test_one_bad_document_is_found_in_few_requests(count, data):
    bad = data.draw(st.integers(0, count - 1))
    load, sent, done = Load(writes(count)), 0, []
    while load:
        batch = load.take(alone=False)
        sent += 1
        if f"d{bad}" not in ids(batch):
            done += ids(batch)
        elif len(batch) > 1:
            load.halve(batch)
    assert sorted(done) == sorted(f"d{n}" for n in range(count) if n != bad)
    assert sent <= 1 + 2 * (count - 1).bit_length()


def test_what_is_not_wanted_leaves_no_empty_request():
    load = Load(writes(3))
    load.halve(load.take(alone=False))
    load.keep(lambda one: one.id == "d2")
    assert requests(load) == [["d2"]]
    load.keep(lambda _: False)
    assert not load
