"""What an answer about a document means, and how its tokens are carried over."""

import orjson
import pytest

from streamer.batching.unchanged import Found, fields_of, found_of, inferred, spared
from streamer.model import LOOK_UP, PLAIN
from tests.unit.builders import LANE, ROUTE, route, write

TOKENS = {"film": 1.25, "##s.": 0.1, "ü": 3e-05}
NESTED = route(("text", "ml.tokens"), ("title", "ml.title_tokens"))


def entry(**source):
    return {"found": True, "_source": source}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (entry(_streamer={"text_hash": "h"}), Found.UNCHANGED),
        (entry(_streamer={"text_hash": "other"}), Found.CHANGED),
        (entry(_streamer={"text_hash": ""}), Found.CHANGED),
        (entry(_streamer="h"), Found.CHANGED),
        (entry(), Found.CHANGED),
        ({"found": True}, Found.CHANGED),
        ({"found": False}, Found.ABSENT),
        ({}, Found.ABSENT),
        ({"error": {"type": "index_not_found_exception"}}, Found.FAILED),
        ({"error": {}}, Found.FAILED),
        ({"error": {"type": "no_shard_available_action_exception"}}, Found.LATER),
    ],
)
def test_what_an_answer_means(answer, found):
    assert found_of(write(unasked=True), answer) is found


def test_the_document_goes_with_what_the_pipeline_wrote_and_keeps_its_hash():
    asked = write(unasked=True, body=b'{"text":"a film","rating":2}')
    stored = {"text_tokens": TOKENS, "model_id": "m", "rating": 1, "_streamer": {"text_hash": "h"}}
    known = spared(asked, stored, ROUTE)
    assert orjson.loads(known.body) == {"text": "a film", "rating": 2, "text_tokens": TOKENS, "model_id": "m"}
    assert (known.lane, known.queue, known.inputs, known.text_hash) == (PLAIN, PLAIN, 0, "h")
    assert known.version == asked.version


def test_nested_outputs_go_where_they_were():
    asked = write(unasked=True, inputs=2, body=b'{"ml":{"note":1},"ml.other":2}')
    written = {"tokens": TOKENS, "title_tokens": {"a": 1.0}, "model_id": ["m", "m"], "is_truncated": True}
    known = spared(asked, {"ml": written}, NESTED)
    assert orjson.loads(known.body) == {"ml": {"note": 1, **written}, "ml.other": 2}


def test_one_text_of_two_has_one_output():
    known = spared(write(inputs=1), {"ml": {"title_tokens": TOKENS}}, NESTED)
    assert orjson.loads(known.body)["ml"] == {"title_tokens": TOKENS}


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        (b"{}", {}),
        (b"{}", {"ml": {"model_id": "m"}}),
        (b"{}", {"ml": {"tokens": TOKENS}}),
        (b'{"ml":5}', {"ml": {"tokens": TOKENS, "title_tokens": TOKENS}}),
        (b'{"ml":[{}]}', {"ml": {"tokens": TOKENS, "title_tokens": TOKENS}}),
        (b'{"ml":null}', {"ml": {"tokens": TOKENS, "title_tokens": TOKENS}}),
    ],
)
def test_without_all_tokens_or_a_place_for_them_it_is_inferred(body, stored):
    assert spared(write(inputs=2, body=body), stored, NESTED) is None


def test_hash_and_all_that_the_processor_writes_is_asked_for():
    assert fields_of([ROUTE, NESTED, ROUTE]) == [
        "_streamer.text_hash", "text_tokens", "model_id", "is_truncated",
        "ml.tokens", "ml.model_id", "ml.is_truncated", "ml.title_tokens",
    ]  # fmt: skip


def test_what_is_not_asked_about_any_more_waits_in_its_lane():
    asked = write(unasked=True)
    assert (asked.queue, asked.lane, inferred(asked).queue) == (LOOK_UP, LANE, LANE)
