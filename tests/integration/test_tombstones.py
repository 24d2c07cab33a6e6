"""Deletions: before, between and after updates, of what is there and of what is not."""

import hashlib

from tests.fixtures.films import films, key_of, records_of
from tests.fixtures.scenario import results
from tests.fixtures.truth import assert_exact, version_of


def marker(case, record):
    """Return the deletion marker of a record's document."""
    digest = hashlib.sha256(record.key).hexdigest()
    return case.elastic.document(f"{case.name}-state", f"marker:{case.index}:{digest}")


def test_a_deletion_before_between_and_after_updates(scenario):
    case = scenario()
    case.set_up(partitions=1)
    gone, back, never = films(3)
    running = case.start()

    case.send(records_of([gone, back]))
    case.await_done(running)
    assert assert_exact(case).keys() == {gone["id"], back["id"]}

    deletions = case.send([(key_of(film), None) for film in (gone, back, never)])
    case.await_done(running)
    assert assert_exact(case) == {}
    for record in deletions:
        found = marker(case, record)
        assert found.version == version_of(record)
        assert found.source["kind"] == "marker"
        assert found.source["index"] == case.index
        assert (found.source["id"], found.source["version"]) == (record.key.decode(), version_of(record))
    assert results(running) == {"indexed": 2, "deleted": 3}

    again = back | {"title": "Back again"}
    case.send([*records_of([again]), (key_of(gone), None)])
    case.await_done(running)
    assert assert_exact(case)[back["id"]].source["title"] == "Back again"
    assert marker(case, case.sent[-1]).version == version_of(case.sent[-1])
    assert case.letters() == []


def test_a_burst_of_updates_and_deletions_ends_with_the_last(scenario):
    case = scenario()
    case.set_up(base_ms=50)
    records = []
    for number, film in enumerate(films(60)):
        steps = [(key_of(film), None), *records_of([film]), (key_of(film), None), *records_of([film | {"rating": 1}])]
        records += steps[: 1 + number % 4]
    case.send(records)
    running = case.start()
    case.await_done(running)
    assert len(assert_exact(case)) == 30
    assert sum(results(running).values()) == len(records)
    assert case.letters() == []
