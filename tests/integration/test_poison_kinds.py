"""One poisonous document among 10,000, of each kind: it alone is buried, the rest is indexed, its cost is counted.

The node takes requests of 256 KB at most, so that one document can be too long. What was sent is counted on the way, by
a proxy: a request is an extra one when nothing in it is sent for the first time.
"""

import json
import math
import threading
from contextlib import ExitStack

import pytest

from compose.local.stack import Stack
from tests.fixtures.elastic import Elastic
from tests.fixtures.kafka import Kafka
from tests.fixtures.proxy import Proxy
from tests.fixtures.scenario import results
from tests.fixtures.truth import assert_document, newest, version_of

RECORDS = 10_000
LONGEST_REQUEST = 256 * 1024
SAMPLE = 97
PROPERTIES = {
    "year": {"type": "integer"},
    "title": {"type": "text"},
    "cast": {"dynamic": "strict", "properties": {"name": {"type": "keyword"}}},
}
ALLOCATIONS = 4
DIED = {
    "type": "status_exception",
    "reason": "Error in inference process: [inference native process died unexpectedly with failure [it ended]]",
}
SHUT_DOWN = {"type": "es_rejected_execution_exception", "reason": "inference process worker service has shutdown"}


def good(number):
    return {"title": f"Film {number}", "text": f"a story about {number}", "year": 1900 + number % 120}


def nested(depth):
    return {"a": nested(depth - 1)} if depth else 1


FREE = {
    "broken": (b'{"title": "half', "unreadable"),
    "no-object": (b'["a", "list"]', "unreadable"),
    "no-utf8": (b'{"title": "\xff\xfe"}', "unreadable"),
    "": (json.dumps(good(1)).encode(), "no_identity"),
    "number": (b'{"text": 17}', "not_text"),
    "list": (b'{"text": ["a", "b"]}', "not_text"),
    "too-deep": (json.dumps(good(1) | {"deep": nested(300)}).encode(), "unreadable"),
    "year": (json.dumps(good(1) | {"year": "soon"}).encode(), "document_parsing_exception"),
    "strict": (json.dumps(good(1) | {"cast": {"age": 1}}).encode(), "strict_dynamic_mapping_exception"),
    "object": (json.dumps(good(1) | {"title": {"main": "x"}}).encode(), "document_parsing_exception"),
    "dots": (json.dumps(good(1) | {"a": 1, "a.b": 2}).encode(), "illegal_argument_exception"),
    "deep": (json.dumps(good(1) | {"deep": nested(100)}).encode(), "document_parsing_exception"),
}
"""By key, what costs no request beside the one that it comes in, with the reason of its dead letter."""

SENT = frozenset({"year", "strict", "object", "dots", "deep"})
"""Those that only Elasticsearch can tell."""


class Counter:
    """Rewrites an answer where `change` does; remembers which documents came in which bulk."""

    def __init__(self, change=lambda _ids: {}):
        self._change, self._lock = change, threading.Lock()
        self.bulks = []

    def __call__(self, path, body, status, content):
        if not path.startswith("/_bulk"):
            return None
        ids = [json.loads(line)["index"]["_id"] for line in body.splitlines()[::2]]
        with self._lock:
            self.bulks.append(ids)
        changes = self._change(ids)
        if not changes:
            return None
        answer = json.loads(content)
        for place, item in changes.items():
            answer["items"][place]["index"] = item
        return status, json.dumps(answer | {"errors": True}).encode()

    def extra(self):
        """Return how many requests held only documents that had been sent before."""
        seen, count = set(), 0
        for ids in self.bulks:
            count += seen.issuperset(ids)
            seen.update(ids)
        return count

    def sent(self):
        return [one for ids in self.bulks for one in ids]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    settings = {"http.max_content_length": f"{LONGEST_REQUEST}b"}
    with Stack(tmp_path_factory.mktemp("narrow"), elasticsearch_settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def kafka(stack):
    with Kafka(stack.bootstrap_servers) as client:
        yield client


@pytest.fixture(scope="module")
def elastic(stack):
    with Elastic(stack.elasticsearch_url) as client:
        yield client


@pytest.fixture
def run(scenario, stack):
    """Send the records of `poison`, a value by key, among good ones; return the case, the streamer and the counter."""
    with ExitStack() as proxies:

        def made(poison, **change):
            case = scenario(
                route={"properties": PROPERTIES},
                deployment={"number_of_allocations": ALLOCATIONS},
            )
            case.set_up(base_ms=1)
            case.send(among_good(poison))
            counter = Counter(**change)
            proxy = proxies.enter_context(Proxy(stack.elasticsearch_url, counter))
            case.settings["elasticsearch"] = {"urls": [proxy.url]}
            running = case.start()
            case.await_done(running)
            return case, running, counter

        yield made


def among_good(poison):
    """Return 10,000 records, those of `poison` spread evenly among good ones."""
    count = RECORDS - len(poison)
    records = [(f"film-{number}".encode(), json.dumps(good(number)).encode()) for number in range(count)]
    for place, (key, value) in enumerate(poison.items(), 1):
        records.insert(place * RECORDS // (len(poison) + 1), (key.encode(), value))
    return records


def assert_only_poison_is_missing(case, running, counter, reasons):
    """Every good document is there as it was sent; every letter has its record and the reason that was expected."""
    expected = newest(record for record in case.sent if record.key.decode() not in reasons)
    documents = case.elastic.documents(case.index)
    assert documents.keys() == expected.keys()
    assert {one: found.version for one, found in documents.items()} == {
        one: version_of(record) for one, record in expected.items()
    }
    for one in list(expected)[::SAMPLE]:
        assert_document(documents[one], expected[one])
    places = {(it.partition, it.offset): it.key.decode() for it in case.sent}
    found = [(places[letter["partition"], letter["offset"]], letter["reason"]) for letter in case.letters()]
    assert sorted(found) == sorted(reasons.items())
    ends = results(running)
    assert ends["dead_lettered"] == len(reasons)
    assert ends["indexed"] + ends["repeated"] == RECORDS - len(reasons)
    # What is counted here is what the metrics tell.
    assert sum(running.metric("streamer_bulk_requests_total").values()) == len(counter.bulks)
    assert sum(running.metric("streamer_bulk_documents_sum").values()) == len(counter.sent())


def test_what_cannot_be_decoded_or_mapped_costs_nothing(run):
    case, running, counter = run({key: value for key, (value, _) in FREE.items()})
    assert_only_poison_is_missing(case, running, counter, {key: reason for key, (_, reason) in FREE.items()})
    assert counter.extra() == 0
    sent = counter.sent()
    assert len(sent) == len(set(sent))
    assert FREE.keys() & {*sent} == SENT


LONG = "long"


def test_what_makes_a_whole_request_fail_is_found_by_halving(run):
    value = json.dumps(good(1) | {"pad": "x" * (LONGEST_REQUEST + 1)}).encode()
    case, running, counter = run({LONG: value})
    assert_only_poison_is_missing(case, running, counter, {LONG: "too_large"})
    largest = max(map(len, counter.bulks))
    halvings = math.ceil(math.log2(largest))
    # One more each: a bulk that is no power of two halves unevenly.
    assert 0 < counter.extra() <= 2 * halvings + 1
    assert len(counter.sent()) - RECORDS <= 2 * largest + 1
    assert counter.sent().count(LONG) <= halvings + 1


KILLER = "killer"


def deaths(ids):
    """Return what a node answers when the process dies: what is computed then fails, what is queued is refused."""
    if KILLER not in ids:
        return {}
    first = ids.index(KILLER)
    errors = [(500, DIED)] * ALLOCATIONS + [(429, SHUT_DOWN)] * len(ids)
    return {
        place: {"status": status, "error": error}
        for place, (status, error) in zip(range(first, len(ids)), errors, strict=False)
    }


def test_what_kills_the_encoder_each_time_is_found_in_three(run):
    """The node refuses it by its mapping, so that it is in no index when the proxy says that the process died.

    What it takes along has been indexed: only the answers say otherwise.
    """
    value = json.dumps(good(1) | {"year": "soon"}).encode()
    case, running, counter = run({KILLER: value}, change=deaths)
    assert_only_poison_is_missing(case, running, counter, {KILLER: "kills_process"})
    assert counter.sent().count(KILLER) == 3
    # Alone go the killer, twice more, and what it took along; the rest goes together.
    assert counter.extra() <= ALLOCATIONS + 4
    assert len(counter.sent()) - RECORDS <= max(map(len, counter.bulks)) + 4
