"""Dead letters in portions and groups, and the notes about them."""

import orjson
import pytest

from streamer.errors import StateError
from streamer.kafka.admin import Topic
from streamer.tools import dlq
from streamer.tools.dlq import Listing, Report
from streamer.tools.notes import Notes
from tests.fakes.clock import HandClock
from tests.unit.builders import record
from tests.unit.tools.dead import DEAD, letter


class FakeState:
    """Notes by id; `status` answers for each, `error` for each look-up."""

    def __init__(self):
        self.notes, self.status, self.error = {}, 0, None

    async def post(self, path, body, **params):
        assert (path, params) == ("/state/_mget", {"_source_includes": "action"})
        if self.error:
            return {"docs": [{"_id": name, "error": self.error} for name in body["ids"]]}
        found = [(name, self.notes.get(name)) for name in body["ids"]]
        return {
            "docs": [{"_id": name, "found": bool(note), **({"_source": note} if note else {})} for name, note in found]
        }

    async def bulk(self, body, filter_path):
        lines = [orjson.loads(line) for line in body.splitlines()]
        pairs = zip(lines[::2], lines[1::2], strict=True)
        return {"items": [{"create": self.create(action["create"]["_id"], note)} for action, note in pairs]}

    def create(self, name, note):
        if self.status:
            return {"status": self.status, "error": {"type": "unavailable"}}
        if name in self.notes:
            return {"status": 409, "error": {"type": "version_conflict_engine_exception"}}
        self.notes[name] = note
        return {"status": 201}


@pytest.fixture
def state():
    return FakeState()


def notes(state, topic_id="tid"):
    return Notes(state, "state", "cluster", Topic(DEAD.topic, topic_id, 1), HandClock())


async def test_a_note_says_what_was_done_once(state):
    await notes(state).write([letter()], "redriven")
    await notes(state).write([letter()], "discarded")
    assert state.notes == {
        "letter:cluster:tid:0:17": {
            "kind": "letter",
            "schema_version": 1,
            "cluster_id": "cluster",
            "topic": DEAD.topic,
            "topic_id": "tid",
            "partition": 0,
            "offset": 17,
            "action": "redriven",
            "at_ms": HandClock().now_ms(),
        }
    }
    assert await notes(state).deeds([letter()]) == ["redriven"]
    assert await notes(state, "made-anew").deeds([letter()]) == [None]


async def test_a_note_that_is_not_taken_is_an_error(state):
    state.status = 503
    with pytest.raises(StateError, match="1 of 1 dead letters were redriven, but 'state' did not take the note"):
        await notes(state).write([letter()], "redriven")


async def test_notes_that_cannot_be_read_are_an_error(state):
    state.error = {"type": "no_shard_available_action_exception"}
    with pytest.raises(StateError, match="cannot be read"):
        await notes(state).deeds([letter()])


async def test_nothing_asks_for_nothing(state):
    await notes(None).write([], "redriven")
    assert await notes(None).deeds([]) == []


def grouped(*letters):
    found, groups = Listing(), {}
    for one in letters:
        dlq._count(found, groups, one)
    found.groups = list(groups.values())
    return found


def test_letters_are_grouped_by_fault():
    found = grouped(letter(at_ms=5_000), letter(at_ms=2_000, detail="why 3"), letter(reason="other"))
    assert [(group.count, group.reason) for group in found.groups] == [(2, "unreadable"), (1, "other")]
    assert (found.groups[0].first_ms, found.groups[0].last_ms) == (2_000, 5_000)
    assert list(found.lines())[:2] == [
        f"{letter().fault}  2  films  unreadable  1970-01-01T00:00:02Z to 1970-01-01T00:00:05Z  {DEAD}@17",
        "    why 17",
    ]
    assert list(found.lines())[-1] == "3 dead letters"
    assert list(Listing().lines()) == ["no dead letters"]


def test_faults_beyond_the_bound_are_counted_only(monkeypatch):
    monkeypatch.setattr(dlq, "MOST_GROUPS", 2)
    found = grouped(*(letter(reason=reason) for reason in ("a", "b", "c", "a")))
    assert ([group.count for group in found.groups], found.ungrouped, found.letters) == ([2, 1], 1, 4)
    assert "and 1 of other faults" in found.lines()


def test_a_letters_text_moves_no_cursor():
    assert all(line.isprintable() for line in grouped(letter(detail="\x1b[2J\n", reason="\x07")).lines())


def test_portions_are_bounded_in_records_and_bytes(monkeypatch):
    monkeypatch.setattr(dlq, "PORTION_BYTES", 3 * record().size)
    left = iter([record(n) for n in range(7)])
    assert [len(dlq._some(left, 2)), len(dlq._some(left, 10)), len(dlq._some(left, 10)), dlq._some(left, 10)] == [
        2,
        3,
        2,
        [],
    ]


def test_reports_are_sentences():
    assert str(Report("redriven", 1_000, False, 2.0)) == "1,000 dead letters redriven in 2.0 s"
    assert str(Report("discarded", 1, True, 0.1)) == "1 dead letters would be discarded in 0.1 s"
