"""Inference is down and the route asks for it: documents are found by their words at once, and by meaning later."""

import json

import pytest

from tests.fixtures.films import films, key_of, records_of, value_of
from tests.fixtures.scenario import OUTPUT, results
from tests.fixtures.truth import assert_exact
from tests.fixtures.waiting import until

FILMS = 60
LEXICAL_AFTER_S = 1.0


@pytest.fixture
def case(scenario):
    made = scenario(
        deployment={"number_of_allocations": 2},
        route={"when_inference_is_down": "lexical"},
        flow={"lexical_after_s": LEXICAL_AFTER_S},
    )
    made.set_up()
    return made


def start_again(case):
    case.elastic.start_deployment(case.deployment, number_of_allocations=2)


def backlog(case):
    return [json.loads(message.value() or b"") for message in case.kafka.read(case.backlog)]


def await_owed_is_done(case):
    until(
        lambda: case.kafka.committed(case.group, case.backlog) == case.kafka.ends(case.backlog),
        "the backlog to be worked off",
    )


def lexical_documents(case):
    """Return the documents that have no tokens; they have no hash of their text either, and the lowest stage."""
    found = case.elastic.documents(case.index)
    bare = {name: one for name, one in found.items() if not one.source.get(OUTPUT)}
    for one in bare.values():
        assert one.source["_streamer"]["text_hash"] == ""
        assert one.version % 4 == 0
    return bare


def test_words_at_once_and_tokens_later(case):
    case.elastic.stop_deployment(case.deployment)
    given = films(FILMS)
    case.send(records_of(given))
    running = case.start()
    case.await_done(running)
    assert results(running)["lexical"] == FILMS
    assert len(lexical_documents(case)) == FILMS
    assert {one["offset"] for one in backlog(case)} <= {record.offset for record in case.sent}

    # While it lasts: a change, a deletion, and a record that was there before comes back.
    changed = [film | {"text": f"{film['text']} Changed."} for film in given[:10]]
    gone = given[10:15]
    case.send([*records_of(changed), *[(key_of(film), None) for film in gone], *records_of(given[13:15])])
    case.await_done(running)
    assert len(lexical_documents(case)) == FILMS - 3

    start_again(case)
    await_owed_is_done(case)
    case.await_done(running)
    assert_exact(case)
    assert case.letters() == []
    assert results(running).total() == len(case.sent) + len(backlog(case))
    # What was deleted or changed since is not inferred.
    assert case.elastic.inferences(case.deployment) == FILMS - 3


def test_after_the_deployment_is_back_documents_are_complete_at_once(case):
    running = case.start()
    case.send(records_of(films(FILMS // 2)))
    case.await_done(running)
    assert results(running) == {"indexed": FILMS // 2}
    case.elastic.stop_deployment(case.deployment)
    case.send(records_of(films(FILMS // 2, start=100)))
    case.await_done(running)
    start_again(case)
    await_owed_is_done(case)
    before = results(running)["lexical"]
    case.send(records_of(films(FILMS // 2, start=200)))
    case.await_done(running)
    assert results(running)["lexical"] == before
    assert_exact(case)


def test_a_kill_between_words_and_tokens_loses_neither(case):
    case.elastic.stop_deployment(case.deployment)
    given = films(FILMS)
    case.send(records_of(given))
    doomed = case.start()
    until(lambda: results(doomed)["lexical"], "the first documents without tokens")
    doomed.kill()
    case.send((key_of(film), value_of(film | {"rating": 1.5})) for film in given[:20])
    second = case.start()
    case.await_done(second)
    second.kill()
    start_again(case)
    last = case.start()
    await_owed_is_done(case)
    case.await_done(last)
    assert_exact(case)
    assert case.letters() == []
