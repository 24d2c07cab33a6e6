"""The encoder process with its real model, spoken to as the local ML node does."""

import json
import signal
import subprocess
import sys

import pytest

from compose.local.elasticsearch_part import WORKER


class Process:
    def __init__(self):
        self.popen = subprocess.Popen(
            [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.ready = self.read()

    def read(self):
        return json.loads(self.popen.stdout.readline())

    def send(self, line):
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()

    def ask(self, text, number=1):
        self.send(json.dumps({"id": number, "text": text}))
        return self.read()


@pytest.fixture
def process():
    process = Process()
    with process.popen:
        yield process
        process.popen.kill()


def test_it_says_what_it_is_before_the_first_request(process):
    assert process.ready == {"ready": True, "model": "splade-tiny-int8", "dimensions": 30522}


def test_a_text_is_expanded_with_related_terms(process):
    answer = process.ask("star wars", 17)
    assert answer["id"] == 17
    assert {"star", "wars", "war", "movie"} <= set(answer["tokens"])
    assert list(answer["tokens"].values()) == sorted(answer["tokens"].values(), reverse=True)
    assert min(answer["tokens"].values()) > 0
    assert answer["time_ms"] > 0


def test_the_same_text_gives_the_same_tokens(process):
    first, second = process.ask("a heist in a dream"), process.ask("a heist in a dream")
    assert first["tokens"] == second["tokens"]


@pytest.mark.parametrize(("words", "truncated"), [(510, False), (511, True), (5000, True)])
def test_512_tokens_count_the_two_special_ones_included(process, words, truncated):
    assert process.ask("film " * words)["is_truncated"] is truncated


def test_what_follows_the_512th_token_does_not_count(process):
    kept = "film " * 510
    assert process.ask(kept)["tokens"] == process.ask(kept + "spaceship " * 50)["tokens"]


def test_no_token_has_a_full_stop(process):
    assert not [token for token in process.ask("dr. who ... u.s.a.")["tokens"] if "." in token]


@pytest.mark.parametrize("text", ["", "   ", "\x00", "日本語の映画", "🎬" * 10, "\ud83c"])
def test_odd_texts_are_encoded_too(process, text):
    assert "error" not in process.ask(text)


def test_the_end_of_input_ends_it_in_good_order(process):
    process.popen.stdin.close()
    assert process.popen.wait(timeout=20) == 0


def test_an_interrupt_is_left_to_the_node(process):
    process.popen.send_signal(signal.SIGINT)
    assert process.ask("still here")["tokens"]


def test_garbage_ends_it_with_an_error(process):
    process.send("garbage")
    assert process.popen.wait(timeout=20) == 2
