"""Odd keys: each finds its document under the id that the rule gives, and no two share one."""

import base64
import hashlib
import json

from tests.fixtures.scenario import OUTPUT, results
from tests.fixtures.truth import assert_document

LONGEST = 512


def base64url(key):
    return "~b64~" + base64.urlsafe_b64encode(key).rstrip(b"=").decode()


def digest(key):
    return "~sha256~" + hashlib.sha256(key).hexdigest()


def odd_keys():
    """Return keys with the ids that they must get."""
    plain = ["a b", "a/b?c#d%20", "Ünïcødé 電影 🎬", "_id", '"quoted"\n', "x" * LONGEST, "é" * (LONGEST // 2), "\x00"]
    ids = {text.encode(): text for text in plain}
    binary = [b"\xff", b"\x80abc", b"\xff" * 300]
    ids |= {key: base64url(key) for key in binary}
    encoded_lookalikes = [base64url(b"\xff"), digest(b"x" * 600), "~pos~case-0-0-1", "~b64~"]
    ids |= {text.encode(): base64url(text.encode()) for text in encoded_lookalikes}
    long = [b"x" * (LONGEST + 1), b"x" * 600, "é".encode() * 300, b"\xff" * 400]
    return ids | {key: digest(key) for key in long}


def test_odd_keys_are_found_under_their_ids(scenario):
    case = scenario()
    case.set_up()
    ids = odd_keys()
    value = {"text": "A film about a strange key", "number": 0}
    keyed = case.send((key, json.dumps(value | {"number": number}).encode()) for number, key in enumerate(ids))
    keyless = case.send((None, json.dumps(value | {"number": number}).encode()) for number in range(100, 104))
    running = case.start()
    case.await_done(running)

    expected = {ids[record.key]: record for record in keyed}
    expected |= {f"~pos~{case.topic}-1-{record.partition}-{record.offset}": record for record in keyless}
    assert len(expected) == len(ids) + 4
    assert case.elastic.documents(case.index).keys() == expected.keys()
    for document_id, record in expected.items():
        found = case.elastic.document(case.index, document_id)
        assert found is not None, document_id
        assert found.source[OUTPUT]
        assert_document(found, record)
    assert results(running) == {"indexed": len(expected)}
    assert case.letters() == []


def test_odd_keys_are_deleted_under_their_ids(scenario):
    case = scenario()
    case.set_up()
    keys = list(odd_keys())
    case.send((key, b'{"title": "soon gone"}') for key in keys)
    case.send((key, None) for key in keys)
    running = case.start()
    case.await_done(running)
    assert case.elastic.documents(case.index) == {}
    assert case.letters() == []
