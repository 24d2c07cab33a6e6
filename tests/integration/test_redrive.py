"""Dead letters that are sent back: what was mended is indexed, and no older state beats a newer one or a deletion."""

import json
import threading

import pytest

from tests.fixtures.films import films, key_of, records_of, value_of
from tests.fixtures.program import streamer
from tests.fixtures.scenario import results
from tests.fixtures.truth import assert_exact
from tests.fixtures.waiting import until

LETTERS = 1_000
BAD_YEAR = {"year": "not a number"}
ALL_AT_ONCE = {"dead_letters_per_minute": 10 * LETTERS, "dead_letters_per_run": 10 * LETTERS}


class Changer(threading.Thread):
    """Goes on updating and deleting the same keys, in order, until it is told to end."""

    def __init__(self, case, keys):
        super().__init__(name="changer")
        self._case, self._keys, self._end = case, keys, threading.Event()

    def run(self):
        for number, film in enumerate(self._keys):
            if self._end.wait(0.01):
                return
            self._case.send([(key_of(film), None if number % 2 else value_of(film | {"rating": number}))])

    def end(self):
        self._end.set()
        self.join()


@pytest.fixture
def poisoned(scenario):
    """A case whose mapping takes numbers only, as years."""

    def make(count, **synthetic):
        case = scenario(route={"properties": {"year": {"type": "integer"}}}, deployment={"number_of_allocations": 2})
        case.settings["limits"] = ALL_AT_ONCE
        case.set_up(**synthetic)
        case.send(records_of(film | BAD_YEAR for film in films(count)))
        return case

    return make


def mend(case):
    """Let the index take what is no number."""
    year = {"type": "integer", "ignore_malformed": True}
    case.elastic.ask("PUT", f"/{case.index}/_mapping", {"properties": {"year": year}})


def dlq(case, *arguments):
    done = streamer("dlq", *arguments, config=case.config)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def listed(case, *arguments):
    return dlq(case, "list", "--json", *arguments)


def await_redriven(case, running):
    def done():
        running.status()
        return case.kafka.committed(case.group, case.redrive) == case.kafka.ends(case.redrive)

    until(done, "the redrive topic to be done", state=running.status)


@pytest.mark.parametrize("restarted", [False, True], ids=["", "elasticsearch-restarted"])
def test_no_older_state_wins(poisoned, stack, restarted):
    case = poisoned(LETTERS, base_ms=2)
    running = case.start()
    case.await_done(running)
    assert results(running) == {"dead_lettered": LETTERS}
    mend(case)

    given = films(LETTERS)
    updated, deleted, changing = given[:200], given[200:400], given[400:600]
    case.send(records_of(film | {"rating": 1.0} for film in updated))
    case.send((key_of(film), None) for film in deleted)
    case.await_done(running)
    if restarted:
        # It forgets the versions of what was deleted: only the markers know.
        case.elastic.ask("POST", f"/{case.index}/_flush")
        stack.elasticsearch.kill()
        stack.elasticsearch.start()
        until(running.ready, "the streamer to find Elasticsearch again")
    changer = Changer(case, changing)
    changer.start()
    try:
        assert dlq(case, "redrive", "--all", "--json")["letters"] == LETTERS
        await_redriven(case, running)
    finally:
        changer.end()
    case.await_done(running)
    documents = assert_exact(case)
    assert not {film["id"] for film in deleted} & documents.keys()
    assert len([film for film in documents.values() if film.source["year"] == BAD_YEAR["year"]]) >= LETTERS - 600
    found = results(running)
    assert found["dead_lettered"] == LETTERS
    assert found["stale"] >= 400
    assert found.keys() <= {"dead_lettered", "indexed", "unchanged", "stale", "superseded", "deleted"}
    assert listed(case)["letters"] == 0


def test_a_person_finds_a_fault_and_mends_it(poisoned):
    case = poisoned(20)
    case.send([(b"broken-1", b"no json"), (b"broken-2", b"neither")])
    running = case.start()
    case.await_done(running)

    found = listed(case)
    counts = {group["reason"]: group["count"] for group in found["groups"]}
    assert counts == {"document_parsing_exception": 20, "unreadable": 2}
    fault, broken = found["groups"]
    letter = dlq(case, "show", fault["example"])
    assert letter["fingerprint"] == fault["fingerprint"]
    assert json.loads(letter["value"])["year"] == BAD_YEAR["year"]
    assert letter["done"] is None

    filters = ("--fingerprint", fault["fingerprint"])
    assert dlq(case, "redrive", *filters, "--dry-run", "--json")["letters"] == 20
    assert case.kafka.ends(case.redrive) == {0: 0}

    # Without mending they come back, and say that they were tried twice.
    assert dlq(case, "redrive", *filters, "--limit", "5", "--json")["letters"] == 5
    await_redriven(case, running)
    again = [letter for letter in case.letters() if letter["attempts"] > 1]
    assert [letter["attempts"] for letter in again] == [2] * 5
    assert {letter["topic"] for letter in again} == {case.topic}
    assert listed(case, *filters)["letters"] == 20

    mend(case)
    began = dlq(case, "redrive", *filters, "--rate", "10/s", "--json")
    assert began["letters"] == 20
    assert began["seconds"] >= 1.5
    await_redriven(case, running)
    assert_exact(case, case.sent[:20])
    assert dlq(case, "discard", "--reason", broken["reason"], "--json")["letters"] == 2
    assert listed(case)["letters"] == 0
    assert listed(case, "--done")["letters"] == 27
    assert dlq(case, "show", broken["example"])["done"] == "discarded"
    assert results(running) == {"dead_lettered": 27, "indexed": 20}


def test_a_letter_of_a_route_that_is_gone_stays_a_letter(poisoned):
    case = poisoned(1)
    running = case.start()
    case.await_done(running)
    running.terminate()
    assert running.wait() == 0
    case.settings["routes"][0] |= {"name": "renamed", "pipeline": f"{case.name}-elser"}
    dlq(case, "redrive", "--all", "--json")
    running = case.start()
    await_redriven(case, running)
    first, second = case.letters()
    assert (second["reason"], second["route"], second["stage"]) == ("unknown_route", case.name, "intake")
    assert (second["topic"], second["offset"], second["attempts"]) == (case.topic, first["offset"], 1)
