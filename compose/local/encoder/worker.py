"""One allocation's encoder process: texts in, token weights out, as JSON lines.

Prints `{"ready":true,"model":...,"dimensions":...}` once, then answers each request line
`{"id":17,"text":"..."}` on stdin with `{"id":17,"tokens":{...},"is_truncated":false,"time_ms":12.3}` on stdout,
in order; what cannot be encoded is answered with `{"id":17,"error":"..."}`. The end of stdin ends the process with
0, a line that is no request with 2. SIGINT is ignored: a Ctrl-C reaches the whole terminal, and it is for the node
to decide when its processes end.

The model sees one text at a time. While it is at work, one thread reads and tokenizes the next request and another
writes the answer before: with two requests on their way the model never waits for either.

As with ELSER, every vocabulary entry with a weight above 0 is kept, special tokens included, the heaviest
first, and a full stop in a token is written as two underscores
(Elasticsearch, `TextExpansionProcessor`: `buildSanitizedVocabMap`, `sparseVectorToTokenWeights`).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence, Sized

FOLDER = Path(__file__).parent
MODEL = "splade-tiny-int8"
MAX_TOKENS = 512

SWITCH_S = 0.0002
"""How long a thread may keep the interpreter from the model's; Python's own 5 ms is half a text."""


class Session(Protocol):
    """What is used of `onnxruntime.InferenceSession`."""

    def run(self, output_names: list[str] | None, inputs: dict[str, Any], /) -> Sequence[Any]:
        """The outputs named, as arrays."""


class Encoding(Protocol):
    """What is used of `tokenizers.Encoding`."""

    @property
    def ids(self) -> list[int]:
        """Vocabulary entries, special tokens included."""

    @property
    def overflowing(self) -> Sized:
        """What was cut off."""


class Expansion(NamedTuple):
    """Weights by token, the heaviest first; time_ms is the model's own time, in milliseconds."""

    tokens: dict[str, float]
    is_truncated: bool
    time_ms: float


class Output(NamedTuple):
    """What the model made of one text: a weight for each entry of the vocabulary."""

    weights: np.ndarray[Any, np.dtype[np.float32]]
    time_ms: float


class Request(NamedTuple):
    """A request whose text is ready for the model; without one (`encoding` is None) it has no text."""

    id: Any
    encoding: Encoding | None


class ProtocolError(ValueError):
    """A line on stdin is no request, so requests and answers can no longer be told apart."""


class Encoder:
    """Encodes texts in three steps, each of which may run in a thread of its own: tokenize, run, expand.

    `vocabulary[i]` names entry i of the model's output.
    """

    def __init__(self, session: Session, tokenize: Callable[[str], Encoding], vocabulary: Iterable[str]) -> None:
        self._session = session
        self._tokenize = tokenize
        self._vocabulary = [token.replace(".", "__") for token in vocabulary]

    @property
    def dimensions(self) -> int:
        """Entries of the vocabulary."""
        return len(self._vocabulary)

    def tokenize(self, text: str) -> Encoding:
        """The text as the model takes it."""
        return self._tokenize(_without_lone_surrogates(text))

    def run(self, encoding: Encoding) -> Output:
        """The model's output for one text."""
        inputs = {"input_ids": np.array(encoding.ids, dtype=np.int64)}
        started = time.perf_counter()
        weights = self._session.run(["weights"], inputs)[0]
        return Output(weights, (time.perf_counter() - started) * 1000)

    def expand(self, encoding: Encoding, output: Output) -> Expansion:
        """The positive weights by token."""
        weights = output.weights
        kept = np.flatnonzero(weights > 0)
        kept = kept[np.argsort(-weights[kept], kind="stable")]
        names = (self._vocabulary[index] for index in kept.tolist())
        tokens = dict(zip(names, weights[kept].tolist(), strict=True))
        return Expansion(tokens, bool(encoding.overflowing), output.time_ms)


def _without_lone_surrogates(text: str) -> str:
    """JSON can spell half of a surrogate pair, which no tokenizer takes: replaced by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def load(threads: int) -> Encoder:
    """The encoder of this folder, with so many threads for one inference."""
    import onnxruntime  # noqa: PLC0415 - the rules of this file are tested without a model
    from tokenizers import Tokenizer  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(FOLDER / "model.onnx", options, ["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    vocabulary = tokenizer.get_vocab()
    return Encoder(session, tokenizer.encode, sorted(vocabulary, key=vocabulary.__getitem__))


def parse(encoder: Encoder, line: str) -> Request:
    """One request line, tokenized. Raises ProtocolError when the line is no request."""
    try:
        request = json.loads(line)
    except json.JSONDecodeError as error:
        raise ProtocolError(f"not JSON: {line[:80]!r}") from error
    if not isinstance(request, dict) or "id" not in request:
        raise ProtocolError(f"not a request with an id: {line[:80]!r}")
    text = request.get("text")
    return Request(request["id"], encoder.tokenize(text) if isinstance(text, str) else None)


def serve(encoder: Encoder, lines: Iterable[str], answers: IO[str]) -> None:
    """Answers each line until they end. Raises ProtocolError as `parse` does, after what came before is answered."""
    _write(answers, {"ready": True, "model": MODEL, "dimensions": encoder.dimensions})
    with ThreadPoolExecutor(1, "answers") as writer:
        written: Future[None] | None = None
        for request in _ahead(lambda line: parse(encoder, line), lines):
            output = encoder.run(request.encoding) if request.encoding else None
            if written:
                written.result()
            written = writer.submit(_answer, encoder, request, output, answers)
        if written:
            written.result()


def _ahead(prepare: Callable[[str], Request], lines: Iterable[str]) -> Iterator[Request]:
    """Prepares one line while the one before is in use."""
    prepared: Queue[Request | Exception | None] = Queue(maxsize=1)

    def fill() -> None:
        try:
            for line in lines:
                prepared.put(prepare(line))
            prepared.put(None)
        except Exception as error:  # noqa: BLE001 - raised again by the thread that serves
            prepared.put(error)

    # A daemon: it may wait for a line that never comes when the process ends over an error.
    Thread(target=fill, name="requests", daemon=True).start()
    while (request := prepared.get()) is not None:
        if isinstance(request, Exception):
            raise request
        yield request


def _answer(encoder: Encoder, request: Request, output: Output | None, answers: IO[str]) -> None:
    if request.encoding is None or output is None:
        _write(answers, {"id": request.id, "error": "text is missing or not a string"})
    else:
        _write(answers, {"id": request.id, **encoder.expand(request.encoding, output)._asdict()})


def _write(stream: IO[str], message: dict[str, Any]) -> None:
    stream.write(json.dumps(message, separators=(",", ":")) + "\n")
    stream.flush()


def main() -> int:
    """Loads the model and serves stdin; returns the exit status."""
    parser = argparse.ArgumentParser(description="encodes texts from stdin, one JSON line each")
    given = int(os.environ.get("LOCAL_ML_THREADS", "1"))
    parser.add_argument("--threads", type=int, default=given, help="threads of one inference (LOCAL_ML_THREADS, 1)")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_S)
    threads = parser.parse_args().threads
    # Not sys.stdin: the end of the interpreter closes that, and would wait for the thread that reads it.
    requests = open(0, encoding="utf-8", newline="\n", closefd=False)  # noqa: SIM115 - no path, never closed
    try:
        serve(load(threads), requests, sys.stdout)
    except ProtocolError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
