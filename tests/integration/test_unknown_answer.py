"""An answer that is in no table ends the program; nothing that it was about is committed, and a restart goes on."""

import json
from itertools import count

import pytest

from tests.fixtures.films import films, records_of
from tests.fixtures.proxy import Proxy
from tests.fixtures.scenario import results
from tests.fixtures.truth import assert_exact

FILMS = 120
UNLUCKY = 70
"""Which film's answer is changed."""

ERROR = {"type": "teapot_exception", "reason": "short and stout"}


def ids(body):
    """Return the ids in a bulk of documents, in order."""
    return [json.loads(line)["index"]["_id"] for line in body.splitlines()[::2]]


class Teapot:
    """Changes the answer to the bulk that holds one document: its item, or all of it."""

    def __init__(self, document_id: str, *, whole: bool) -> None:
        self._id, self._whole = document_id, whole
        self.served = 0

    def __call__(self, path, body, status, answer):
        if not path.startswith("/_bulk") or self._id not in ids(body):
            return None
        self.served += 1
        if self._whole:
            return 418, json.dumps({"error": ERROR, "status": 418}).encode()
        changed = json.loads(answer)
        changed["items"][ids(body).index(self._id)]["index"] = {"status": 418, "error": ERROR}
        return status, json.dumps(changed | {"errors": True}).encode()


@pytest.mark.parametrize("whole", [False, True], ids=["item", "request"])
def test_an_unknown_answer_ends_the_program(scenario, elastic, whole):
    case = scenario()
    case.set_up(partitions=1)
    given = films(FILMS)
    sent = case.send(records_of(given))
    teapot = Teapot(given[UNLUCKY]["id"], whole=whole)
    with Proxy(elastic.url, teapot) as proxy:
        case.settings["elasticsearch"] = {"urls": [proxy.url]}
        first = case.start()
        assert first.wait() == 1
        assert teapot.served == 1
        message = first.log.read_text("utf-8")
        assert "is in no table: 418 teapot_exception: short and stout" in message
        assert "Traceback" not in message
        assert case.committed <= sent[UNLUCKY].offset

        proxy.rewrite = lambda *_: None
        second = case.start()
        case.await_done(second)
    assert_exact(case)
    assert results(second)["repeated"] > 0
    assert case.letters() == []


def test_answers_pass_a_proxy_unchanged(scenario, elastic):
    """What the test above changes is the answer alone."""
    case, asked = scenario(), count()
    case.set_up(partitions=1)
    case.send(records_of(films(20)))
    with Proxy(elastic.url, lambda *_: next(asked) and None) as proxy:
        case.settings["elasticsearch"] = {"urls": [proxy.url]}
        running = case.start()
        case.await_done(running)
    assert_exact(case)
    assert next(asked) > 0
