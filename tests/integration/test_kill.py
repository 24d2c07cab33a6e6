"""SIGKILL in mid-stream: what was not committed is taken again, and nothing older ever wins."""

from random import Random

from tests.fixtures.films import films, key_of, records_of, value_of
from tests.fixtures.truth import assert_exact

FILMS = 400


def changes(choose, given, count):
    """Return later records of some keys: another text, another rating only, no text, gone."""
    for film in choose.choices(given, k=count):
        number = choose.randrange(1_000)
        yield choose.choice(
            [
                (key_of(film), value_of(film | {"text": f"{film['text']} Take {number}."})),
                (key_of(film), value_of(film | {"rating": number})),
                (key_of(film), value_of(film | {"text": ""})),
                (key_of(film), None),
            ]
        )


def test_a_kill_loses_nothing_and_turns_nothing_back(scenario, kill_seed):
    choose = Random(kill_seed)
    case = scenario(deployment={"number_of_allocations": 4})
    case.set_up(base_ms=20)
    given = films(FILMS)
    case.send([*records_of(given), *changes(choose, given, FILMS // 2)])
    moment = choose.randrange(FILMS)
    doomed = case.start()
    case.await_results(doomed, moment)
    doomed.kill()
    assert case.committed < len(case.sent), f"all was done before the kill after {moment} results (seed {kill_seed})"

    case.send(changes(choose, given, FILMS // 4))
    survivor = case.start()
    case.await_done(survivor)
    assert_exact(case)
    assert case.letters() == []


def test_kills_follow_each_other(scenario):
    choose = Random(7)
    case = scenario(deployment={"number_of_allocations": 4}, connection={"group_instance_id": "one"})
    case.set_up()
    given = films(FILMS)
    case.send(records_of(given))
    for _ in range(3):
        doomed = case.start()
        case.await_results(doomed, choose.randrange(1, FILMS // 4))
        doomed.kill()
        case.send(changes(choose, given, 40))
    survivor = case.start()
    case.await_done(survivor)
    assert_exact(case)
    assert case.letters() == []
