"""Versions that the records bring themselves: they decide, in whatever order the records come."""

import hashlib
import json

from tests.fixtures.films import films, key_of


def send(case, film, version, value=None):
    """Send one state of a film with its version in a header; without `value` a deletion."""
    raw = None if value is None else json.dumps(film | value).encode()
    case.send([(key_of(film), raw)], headers=[("revision", str(version).encode())])


def test_a_field_gives_the_version(scenario):
    case = scenario(route={"version_from": "field:revision"})
    case.set_up()
    given = films(10)
    orders = [[5, 3, 9, 7], [9, 8, 1], [1, 2, 3], [4, 4]]
    for turn in range(4):
        for number, film in enumerate(given):
            order = orders[number % len(orders)]
            if turn < len(order):
                state = film | {"revision": order[turn], "turn": turn}
                case.send([(key_of(film), json.dumps(state).encode())])
    running = case.start()
    case.await_done(running)
    found = case.elastic.documents(case.index)
    assert found.keys() == {film["id"] for film in given}
    for number, film in enumerate(given):
        order = orders[number % len(orders)]
        # Of two states with the same version the first one stays.
        newest = order.index(max(order))
        document = found[film["id"]]
        assert (document.version, document.source["revision"], document.source["turn"]) == (max(order),) * 2 + (newest,)
    # Later, and older: nothing changes, and nothing is an error.
    case.send([(key_of(given[0]), json.dumps(given[0] | {"revision": 8}).encode())])
    case.await_done(running)
    assert case.elastic.document(case.index, given[0]["id"]).version == 9
    # A record without a version can never be indexed.
    case.send([(key_of(given[0]), json.dumps(given[0]).encode())])
    case.await_done(running)
    assert [letter["reason"] for letter in case.letters()] == ["no_identity"]


def test_a_header_gives_the_version_of_deletions_too(scenario):
    case = scenario(route={"version_from": "header:revision"})
    case.set_up()
    kept, gone, back = films(3)
    running = case.start()
    for film in (kept, gone, back):
        send(case, film, 10, {"rating": 1})
    case.await_done(running)
    send(case, kept, 8)
    send(case, gone, 12)
    send(case, back, 12)
    case.await_done(running)
    send(case, gone, 11, {"rating": 2})
    send(case, back, 13, {"rating": 3})
    case.await_done(running)
    found = case.elastic.documents(case.index)
    assert {name: (one.version, one.source["rating"]) for name, one in found.items()} == {
        kept["id"]: (10, 1),
        back["id"]: (13, 3),
    }
    digest = hashlib.sha256(key_of(gone)).hexdigest()
    marker = case.elastic.document(f"{case.name}-state", f"marker:{case.index}:{digest}")
    assert (marker.version, marker.source["version"]) == (12, 12)
    assert case.letters() == []
