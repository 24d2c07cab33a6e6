"""What can never be indexed goes whole to the dead letters, alone, and before its offset is committed."""

import base64
import json

import pytest

from tests.fixtures.films import films, key_of, records_of, value_of
from tests.fixtures.scenario import results
from tests.fixtures.truth import assert_exact, version_of

YEAR = {"year": {"type": "integer"}}


def text(value):
    return None if value is None else base64.b64encode(value).decode()


def unreadable():
    """Return records that cannot be decoded, each with the word that says why."""
    return {
        (b"broken", b'{"title": "half'): "unreadable",
        (b"list", b'["a", "list"]'): "unreadable",
        (b"number", b'{"text": 17}'): "not_text",
        (b"bytes", b"\xff\xfe\x00"): "unreadable",
        (b"nothing", b""): "unreadable",
        (b"", value_of(films(1, start=50)[0])): "no_identity",
    }


@pytest.fixture
def poisoned(scenario):
    case = scenario(route={"properties": YEAR})
    case.set_up()
    return case


def test_poison_among_good_records(poisoned):
    good = films(120)
    bad = [film | {"year": "not a number"} for film in films(5, start=200)]
    wrong = unreadable()
    records = records_of(good)
    records[40:40] = records_of(bad[:3])
    records[90:90] = [*wrong, *records_of(bad[3:])]
    sent = poisoned.send(records)
    running = poisoned.start()
    poisoned.await_done(running)

    keys = {key_of(film) for film in bad} | {key for key, _ in wrong}
    buried = [record for record in sent if record.key in keys]
    assert_exact(poisoned, [record for record in sent if record.key not in keys])
    letters = {(letter["partition"], letter["offset"]): letter for letter in poisoned.letters()}
    assert letters.keys() == {(record.partition, record.offset) for record in buried}
    for record in buried:
        assert_letter(letters[record.partition, record.offset], record, wrong.get((record.key, record.value)))
    assert results(running) == {"indexed": len(good), "dead_lettered": len(buried)}


def assert_letter(letter, record, reason):
    """A dead letter holds its record byte for byte; `reason` is None for what Elasticsearch refused."""
    assert letter["key_base64"] == text(record.key)
    assert letter["value_base64"] == text(record.value)
    assert (letter["topic"], letter["timestamp_ms"]) == (record.topic, record.timestamp_ms)
    if reason is None:
        assert letter["reason"] == "document_parsing_exception"
        assert "year" in letter["detail"]
        assert (letter["id"], letter["version"]) == (record.key.decode(), version_of(record))
        assert letter["attempts"] == 1
    else:
        assert letter["reason"] == reason
        assert letter["attempts"] == 0


def test_the_older_good_record_stands_when_the_newer_is_poison(poisoned):
    """A record that a poisonous one has replaced while both waited is written after all."""
    kept, updated = films(2)
    waiting = films(40, start=100)
    poisoned.send(
        [
            *records_of(waiting),
            *records_of([kept, updated]),
            (key_of(kept), value_of(kept | {"year": "never"})),
            (key_of(updated), b"no json"),
        ]
    )
    running = poisoned.start()
    poisoned.await_done(running)
    bad = {(record.partition, record.offset) for record in poisoned.sent[-2:]}
    assert_exact(poisoned, poisoned.sent[:-2])
    assert {(letter["partition"], letter["offset"]) for letter in poisoned.letters()} == bad


def test_a_letter_has_its_records_key_and_headers(poisoned):
    headers = [("source", b"\xffcms"), ("empty", None), ("source", b"again")]
    poisoned.kafka.send(poisoned.topic, [(b"key", b"no json"), (None, b"no json")], headers)
    running = poisoned.start()
    poisoned.await_done(running)
    messages = poisoned.kafka.read(poisoned.dead_letters)
    assert {message.key() for message in messages} == {b"key", None}
    letters = [json.loads(message.value()) for message in messages]
    assert [letter["headers"] for letter in letters] == [[[name, text(value)] for name, value in headers]] * 2
