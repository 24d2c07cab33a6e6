"""Death at each point of the program, at once and then after one success: whoever comes next loses nothing."""

import signal
from collections import Counter

import pytest

from streamer.failpoints import POINTS, VARIABLE
from tests.fixtures.films import films, key_of, records_of, value_of
from tests.fixtures.truth import assert_exact
from tests.fixtures.waiting import until

FILMS = 24
PARTITIONS = 2
ALL = PARTITIONS + 2
"""With those of the redrive topic and of the backlog."""

ROUNDS = 4
LIVES = (0, 1)
"""How often the point is passed in the first and in the second life before the streamer dies there."""

WAVES = 2
"""Of records in each life, so that everything happens twice."""

PROVOKED = {"assigned", "revoked", "lost"}
"""Points that a member comes to when others come and go, or when it has been silent for too long."""


def poisons(number):
    """Return what is refused by decoding and what is refused by Elasticsearch."""
    film = films(1, start=400 + number)[0]
    return [(f"poison-{number}".encode(), b"no json"), (key_of(film), value_of(film | {"year": "never"}))]


def wave(number):
    """Return updates, deletions and poison; each wave changes what those before it made."""
    given = films(FILMS)
    changed = [film | {"text": f"{film['text']} Take {number}."} for film in given[number % 2 :: 2]]
    rated = [film | {"rating": number} for film in given[number % 3 :: 3]]
    gone = [(key_of(film), None) for film in given[number::7]]
    first = records_of(given) if number == 0 else []
    undecodable, unmapped = poisons(number)
    return [*first, *records_of(changed), undecodable, *gone, *records_of(rated), unmapped]


@pytest.fixture
def make(scenario):
    def made(point):
        # A member with a name of its own is followed at once, where nobody else has to come and go.
        static = {} if stage(point) in PROVOKED else {"group_instance_id": "one"}
        case = scenario(route={"properties": {"year": {"type": "integer"}}}, connection=static)
        case.set_up(partitions=PARTITIONS)
        return case

    return made


def stage(point):
    return point.split(".")[0]


def feed(case, doomed, waves):
    """Send one wave after the other, each when the one before is done, or the streamer has died of it."""
    for number in waves:
        case.send(wave(number))
        until(lambda: not doomed.alive or case.committed == len(case.sent), f"wave {number} or death")


def provoke(case, doomed, point):
    """Let another member come and go until the first one has died."""
    for _ in range(ROUNDS):
        if doomed.alive:
            visit(case.start(), doomed, point)


def visit(guest, doomed, point):
    until(lambda: not doomed.alive or assignments(guest), "partitions for the guest")
    if stage(point) == "lost" and doomed.alive:
        freeze_until_replaced(doomed, guest)
    taken_on = assignments(doomed)
    guest.terminate()
    assert guest.wait() == 0
    until(lambda: not doomed.alive or assignments(doomed) > taken_on, "partitions for the one that stays")


def freeze_until_replaced(doomed, guest):
    lost = len(of(doomed, "lost"))
    doomed.signal(signal.SIGSTOP)
    until(lambda: len(guest.status()["partitions"]) == ALL, "all partitions for the guest")
    doomed.signal(signal.SIGCONT)
    until(lambda: not doomed.alive or len(of(doomed, "lost")) > lost, "death, or knowledge of the loss")


def of(running, name):
    return [event for event in running.events() if event.get("event") == name]


def assignments(running):
    """Return how often it was given partitions; a member that waits for others is first given none."""
    return len([event for event in of(running, "assigned") if event["partitions"]])


@pytest.mark.parametrize("point", POINTS)
def test_death_loses_nothing(make, point):
    case = make(point)
    for life in LIVES:
        doomed = case.start(environment={VARIABLE: f"{point}=kill:{life}"})
        feed(case, doomed, range(life * WAVES, (life + 1) * WAVES))
        if stage(point) in PROVOKED:
            provoke(case, doomed, point)
        assert doomed.wait() == -signal.SIGKILL, f"life {life + 1}"
    heir = case.start()
    case.send(wave(len(LIVES) * WAVES))
    case.await_done(heir)
    assert_rest(case)


def assert_rest(case):
    """Hold content and dead letters.

    Between a letter's acknowledgement and the commit lies a moment in which a death makes a second letter of the same
    record: at least once is what is promised.
    """
    bad = {key for number in range(len(LIVES) * WAVES + 1) for key, _ in poisons(number)}
    assert_exact(case, [record for record in case.sent if record.key not in bad])
    buried = {(record.partition, record.offset) for record in case.sent if record.key in bad}
    letters = Counter((letter["partition"], letter["offset"]) for letter in case.letters())
    assert letters.keys() == buried
    assert max(letters.values()) <= 1 + len(LIVES)
