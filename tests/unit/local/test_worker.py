import io
import json
from types import SimpleNamespace

import numpy as np
import pytest

from compose.local.encoder.worker import Encoder, ProtocolError, answer, serve

VOCABULARY = ["[PAD]", "star", ".", "##s", "..."]


class FakeSession:
    """Returns the same weights for every text and remembers its inputs."""

    def __init__(self, weights):
        self.weights = np.array(weights, dtype=np.float32)
        self.seen = []

    def run(self, output_names, inputs):
        assert output_names == ["weights"]
        self.seen.append(inputs["input_ids"])
        return [self.weights]


def tokenize(text):
    words = text.split()
    return SimpleNamespace(ids=list(range(len(words[:3]))), overflowing=words[3:])


def encoder(weights=(0.5, 2.0, 0.0, -1.0, 1.0)):
    return Encoder(FakeSession(weights), tokenize, VOCABULARY)


def test_every_positive_weight_is_kept_the_heaviest_first():
    assert list(encoder().encode("a b").tokens.items()) == [("star", 2.0), ("______", 1.0), ("[PAD]", 0.5)]


def test_full_stops_in_tokens_become_underscores_as_with_elser():
    assert encoder((0, 0, 1, 0, 2)).encode("a").tokens == {"__": 1.0, "______": 2.0}


def test_a_cut_text_is_marked():
    assert not encoder().encode("a b c").is_truncated
    assert encoder().encode("a b c d").is_truncated


def test_half_a_surrogate_pair_reaches_the_tokenizer_as_a_replacement_character():
    seen = []

    def spy(text):
        seen.append(text)
        return tokenize(text)

    Encoder(FakeSession([0] * 5), spy, VOCABULARY).encode("a \ud800 \U0001f600")
    assert seen == ["a \ufffd \U0001f600"]


def test_the_session_gets_the_ids_as_one_row_of_int64():
    session = FakeSession([0] * 5)
    Encoder(session, tokenize, VOCABULARY).encode("a b")
    assert session.seen[0].dtype == np.int64
    assert session.seen[0].tolist() == [0, 1]


def test_the_first_line_says_that_it_is_ready_and_the_rest_answer_in_order():
    output = io.StringIO()
    serve(encoder(), ['{"id":7,"text":"a"}\n', '{"id":3,"text":"b c d e"}\n'], output)
    ready, first, second = map(json.loads, output.getvalue().splitlines())
    assert ready == {"ready": True, "model": "splade-tiny-int8", "dimensions": 5}
    assert (first["id"], second["id"]) == (7, 3)
    assert set(first) == {"id", "tokens", "is_truncated", "time_ms"}
    assert (first["is_truncated"], second["is_truncated"]) == (False, True)


@pytest.mark.parametrize("line", ['{"id":1}', '{"id":1,"text":null}', '{"id":1,"text":["a"]}'])
def test_what_has_no_text_is_answered_with_an_error(line):
    assert answer(encoder(), line) == {"id": 1, "error": "text is missing or not a string"}


@pytest.mark.parametrize("line", ["", "{", "[1]", '{"text":"a"}'])
def test_what_is_no_request_ends_the_conversation(line):
    with pytest.raises(ProtocolError):
        answer(encoder(), line)
