"""What the ring holds against a stream is seen when it is so: each rule against a small offender."""

import base64
import json
from collections import Counter
from types import SimpleNamespace

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.history import Fact, History, Kind
from tests.chaos.reader import Inferences, Look, Names, Reader
from tests.chaos.report import table
from tests.chaos.run import Outcome, Plan, Spell
from tests.chaos.tap import Sends
from tests.chaos.verdict import judge
from tests.fixtures.elastic import Found
from tests.fixtures.kafka import Sent

KEY = b"key"
TOKENS = {"word": 1.0}


def fact(offset, value, kind=Kind.GOOD, epoch=1):
    content = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return Fact(Sent("topic", 0, offset, 0, KEY, content), kind, epoch)


def history(*facts):
    made = History()
    for one in facts:
        made.add(one)
    return made


def version(offset, epoch=1):
    return (epoch << 46) + ((offset + 1) << 2) + 1


def found(offset, value, *, claimed=None):
    place = {"epoch": 1, "partition": 0, "offset": offset if claimed is None else claimed}
    return Found(version(offset), {**value, "text_tokens": TOKENS, "_streamer": place})


def base64_of(content):
    return base64.b64encode(content).decode()


def letter(about, reason="unreadable", *, epoch=1):
    record = about.record
    content = {"key_base64": base64_of(record.key), "value_base64": base64_of(record.value)}
    place = {"epoch": epoch, "partition": record.partition, "offset": record.offset}
    return place | content | {"reason": reason, "detail": None}


OLD, NEW = {"text": "old"}, {"text": "new"}
TWO = [fact(0, OLD), fact(1, NEW)]
POISON = fact(2, b"no json", Kind.UNDECODABLE)
AGAIN = fact(2, b"no json either", Kind.UNDECODABLE, epoch=2)


@pytest.mark.parametrize(
    ("facts", "documents", "letters", "expected"),
    [
        (TWO, {"key": found(1, NEW)}, [], {}),
        (TWO, {}, [], {"lost": 1}),
        (TWO, {"key": found(0, OLD)}, [], {"stale": 1}),
        ([*TWO, fact(2, None)], {"key": found(1, NEW)}, [], {"stale": 1}),
        ([*TWO, fact(2, None)], {}, [], {}),
        (TWO, {"key": found(1, OLD)}, [], {"wrong": 1}),
        (TWO, {"key": found(2, NEW)}, [], {"wrong": 1}),
        (TWO, {"key": found(1, NEW, claimed=0)}, [], {"wrong": 1}),
        (TWO, {"key": Found(version(1), {**NEW, "_streamer": {}})}, [], {"wrong": 1}),
        (TWO, {"key": found(1, NEW), "other": found(0, OLD)}, [], {"wrong": 1}),
        ([*TWO, POISON], {"key": found(1, NEW)}, [], {"buried": 1}),
        ([*TWO, POISON], {"key": found(1, NEW)}, [letter(POISON), letter(POISON)], {}),
        (TWO, {"key": found(1, NEW)}, [letter(TWO[0])], {"buried": 1}),
        (TWO, {"key": found(1, NEW)}, [letter(POISON)], {"buried": 1}),
        (TWO, {"key": found(0, OLD)}, [letter(TWO[1], "too_large")], {}),
        ([*TWO, POISON, AGAIN], {"key": found(1, NEW)}, [letter(POISON)], {"buried": 1}),
        ([*TWO, POISON, AGAIN], {"key": found(1, NEW)}, [letter(POISON), letter(AGAIN, epoch=1)], {}),
        ([*TWO, fact(2, NEW, Kind.UNMAPPED)], {"key": found(1, NEW)}, [], {"buried": 1}),
        ([*TWO, fact(2, NEW, Kind.UNMAPPED), fact(3, OLD)], {"key": found(3, OLD)}, [], {}),
    ],
)
def test_differences_at_rest_are_seen(facts, documents, letters, expected):
    verdict = judge(history(*facts), documents, letters)
    counts = {name: len(lines) for name, lines in vars(verdict).items() if lines}
    assert counts == expected, verdict.lines


def reader(*facts):
    writer = SimpleNamespace(history=history(*facts), finished=1)
    return Reader(None, None, writer, Names("topic", "group", "index", "deployment"), None)


def look(seen, *, committed=0, replays=()):
    return Look("get", 0.0, 0, {0: committed}, frozenset(replays), {KEY: seen})


GONE = [*TWO, fact(2, None), fact(3, NEW)]


@pytest.mark.parametrize(
    ("facts", "looks", "violations"),
    [
        (TWO, [look(version(0)), look(version(1))], 0),
        (TWO, [look(version(1)), look(version(0))], 1),
        (TWO, [look(version(1)), look(version(0), replays=[0])], 0),
        (TWO, [look(version(1)), look(version(0), replays=[1])], 1),
        (TWO, [look(version(0), committed=1)], 0),
        (TWO, [look(version(0), committed=2)], 1),
        (TWO, [look(version(0), committed=2, replays=[0])], 1),
        (TWO, [look(None)], 0),
        (TWO, [look(None, committed=1)], 1),
        (TWO, [look(version(0)), look(None)], 1),
        (GONE, [look(version(1)), look(None)], 0),
        (GONE, [look(version(1)), look(None), look(version(1))], 1),
        (GONE, [look(None, committed=3), look(version(3))], 0),
        (GONE, [look(None, committed=4)], 1),
        ([*TWO, fact(0, OLD, epoch=2)], [look(version(0), committed=0)], 1),
        ([*TWO, fact(0, OLD, epoch=2)], [look(version(1)), look(version(0, epoch=2), committed=1)], 0),
    ],
)
def test_what_goes_back_in_time_is_seen(facts, looks, violations):
    held = reader(*facts)
    for one in looks:
        held._judge(one)
    assert len(held.violations) == violations, held.violations


def test_a_replay_is_open_until_the_commit_has_passed_the_end_of_then():
    held = reader()
    held.replay({0: 5, 1: 3})
    assert held._open_replays({0: 4, 1: 3}) == {0, 1}
    assert held._open_replays({0: 5, 1: 3}) == {0}
    assert held._open_replays({0: 0, 1: 0}) == frozenset()


def test_a_counter_that_starts_again_is_added_up():
    inferences = Inferences()
    for count in (3, 5, 1, 1, 4):
        inferences.look(count)
    assert inferences.total == 9


def test_the_tap_counts_what_goes_through_the_pipeline_wherever_the_bytes_are_cut():
    action = (
        '{"index":{"_index":"i","_id":"%s","version":%d,"version_type":"external","pipeline":"%s"}}\n{"text":"a"}\n'
    )
    bulk = (
        action % ("a", 5, "p") + action % ("b", 6, "_none") + action % ('q\\"', 7, "p") + action % ("a", 5, "p")
    ).encode()
    for cut in range(len(bulk)):
        sends = Sends()
        sends(1, bulk[:cut])
        sends(1, bulk[cut:])
        assert sends.counts == Counter({(b"a", 5): 2, (b'q\\"', 7): 1})
        assert sends.distinct == 2


def test_the_table_has_a_row_for_each_fault_that_came():
    first, second = list(FAULTS)[:2]
    outcomes = [
        Outcome(1, [Spell((first,), 1.0, 2.0, 3), Spell((first, second), 1.0, 4.0, 0)]),
        Outcome(2, [Spell((first,), 1.0, 9.0, 1, lost=1)], problems=["x"]),
    ]
    rows = [line.split(" | ") for line in table(outcomes).splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows] == [f"| `{first}`", f"| `{second}`"]
    assert rows[0][2:] == ["3", "1", "0", "4", "4.0", "9.0 |"]
    assert rows[1][2:] == ["1", "0", "0", "0", "4.0", "4.0 |"]
    assert "2 runs, 1 of them without a problem" in table(outcomes)


def test_every_third_seed_has_the_real_model_and_only_there_its_processes_die():
    assert [Plan(seed, 1.0).kind.model for seed in (1, 2, 3)] == ["synthetic", "synthetic", ".elser_model_2"]
    decks = {seed: {fault.name for fault in Plan(seed, 1.0).deck()} for seed in (2, 3)}
    assert decks[3] - decks[2] == {"encoder_killed"}


def test_an_outcome_survives_its_file():
    outcome = Outcome(1, [Spell(("a", "b"), 1.0, 2.0, 3)], ["problem"], looks={"get": 1})
    assert Outcome.from_json(json.loads(json.dumps(outcome.to_json()))) == outcome
