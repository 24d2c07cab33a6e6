import io
import json
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from compose.local.encoder.worker import Encoder, ProtocolError, serve

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


def expansion(encoder, text):
    encoding = encoder.tokenize(text)
    return encoder.expand(encoding, encoder.run(encoding))


def answers(lines, of=None):
    """Return the answers to lines, without the word that it is ready."""
    output = io.StringIO()
    serve(of or encoder(), lines, output)
    return [json.loads(line) for line in output.getvalue().splitlines()[1:]]


def test_every_positive_weight_is_kept_the_heaviest_first():
    assert list(expansion(encoder(), "a b").tokens.items()) == [("star", 2.0), ("______", 1.0), ("[PAD]", 0.5)]


def test_full_stops_in_tokens_become_underscores_as_with_elser():
    assert expansion(encoder((0, 0, 1, 0, 2)), "a").tokens == {"__": 1.0, "______": 2.0}


def test_a_cut_text_is_marked():
    assert not expansion(encoder(), "a b c").is_truncated
    assert expansion(encoder(), "a b c d").is_truncated


def test_half_a_surrogate_pair_reaches_the_tokenizer_as_a_replacement_character():
    seen = []

    def spy(text):
        seen.append(text)
        return tokenize(text)

    Encoder(FakeSession([0] * 5), spy, VOCABULARY).tokenize("a \ud800 \U0001f600")
    assert seen == ["a \ufffd \U0001f600"]


def test_the_session_gets_the_ids_as_one_row_of_int64():
    session = FakeSession([0] * 5)
    expansion(Encoder(session, tokenize, VOCABULARY), "a b")
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
    assert answers([line]) == [{"id": 1, "error": "text is missing or not a string"}]


@pytest.mark.parametrize("line", ["", "{", "[1]", '{"text":"a"}'])
def test_what_is_no_request_ends_the_conversation(line):
    output = io.StringIO()
    with pytest.raises(ProtocolError):
        serve(encoder(), ['{"id":1,"text":"a"}', line, '{"id":2,"text":"a"}'], output)
    assert [json.loads(answer).get("id") for answer in output.getvalue().splitlines()] == [None, 1]


def test_the_next_text_is_tokenized_while_the_model_is_at_work():
    second_is_tokenized = threading.Event()

    def spy(text):
        if text == "second":
            second_is_tokenized.set()
        return tokenize(text)

    class Patient(FakeSession):
        def run(self, output_names, inputs):
            assert second_is_tokenized.wait(timeout=20)
            return super().run(output_names, inputs)

    lines = ['{"id":1,"text":"first"}', '{"id":2,"text":"second"}']
    assert [answer["id"] for answer in answers(lines, Encoder(Patient([1] * 5), spy, VOCABULARY))] == [1, 2]


def test_the_next_text_goes_to_the_model_while_an_answer_is_written():
    second_is_at_work = threading.Event()

    class Session(FakeSession):
        def run(self, output_names, inputs):
            found = super().run(output_names, inputs)
            if len(self.seen) == 2:
                second_is_at_work.set()
            return found

    class SlowReader(io.StringIO):
        def write(self, text):
            assert "ready" in text or second_is_at_work.wait(timeout=20)
            return super().write(text)

    output = SlowReader()
    serve(Encoder(Session([1] * 5), tokenize, VOCABULARY), ['{"id":1,"text":"a"}', '{"id":2,"text":"b"}'], output)
    assert len(output.getvalue().splitlines()) == 3


@pytest.mark.parametrize("broken", ["model", "answers"])
def test_what_goes_wrong_in_any_thread_ends_it(broken):
    class Broken(io.StringIO):
        def write(self, text):
            if "ready" not in text:
                raise BrokenPipeError
            return super().write(text)

    def lines():
        yield '{"id":1,"text":"a"}'
        yield '{"id":2,"text":"b"}'
        assert ended.wait(timeout=20)

    ended = threading.Event()
    session = FakeSession([1] * 5) if broken == "answers" else None
    with pytest.raises(BrokenPipeError if broken == "answers" else AttributeError):
        serve(Encoder(session, tokenize, VOCABULARY), lines(), Broken())
    ended.set()
