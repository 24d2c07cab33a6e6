"""One allocation's encoder process: texts in, token weights out, as JSON lines.

Prints `{"ready":true,"model":...,"dimensions":...}` once, then answers each request line
`{"id":17,"text":"..."}` on stdin with `{"id":17,"tokens":{...},"is_truncated":false,"time_ms":12.3}` on stdout,
one at a time and in order; what cannot be encoded is answered with `{"id":17,"error":"..."}`. The end of stdin
ends the process with 0, a line that is no request with 2. SIGINT is ignored: a Ctrl-C reaches the whole
terminal, and it is for the node to decide when its processes end.

As with ELSER, every vocabulary entry with a weight above 0 is kept, special tokens included, the heaviest
first, and a full stop in a token is written as two underscores
(Elasticsearch, `TextExpansionProcessor`: `buildSanitizedVocabMap`, `sparseVectorToTokenWeights`).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence, Sized

FOLDER = Path(__file__).parent
MODEL = "splade-tiny-int8"
MAX_TOKENS = 512


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


class ProtocolError(ValueError):
    """A line on stdin is no request, so requests and answers can no longer be told apart."""


class Encoder:
    """Encodes one text at a time: `vocabulary[i]` names entry i of the model's output."""

    def __init__(self, session: Session, tokenize: Callable[[str], Encoding], vocabulary: Iterable[str]) -> None:
        self._session = session
        self._tokenize = tokenize
        self._vocabulary = [token.replace(".", "__") for token in vocabulary]

    @property
    def dimensions(self) -> int:
        """Entries of the vocabulary."""
        return len(self._vocabulary)

    def encode(self, text: str) -> Expansion:
        """The weights of one text."""
        encoding = self._tokenize(_without_lone_surrogates(text))
        inputs = {"input_ids": np.array(encoding.ids, dtype=np.int64)}
        started = time.perf_counter()
        weights = self._session.run(["weights"], inputs)[0]
        elapsed = time.perf_counter() - started
        return Expansion(self._positive(weights), bool(encoding.overflowing), elapsed * 1000)

    def _positive(self, weights: np.ndarray[Any, np.dtype[np.float32]]) -> dict[str, float]:
        kept = np.flatnonzero(weights > 0)
        kept = kept[np.argsort(-weights[kept], kind="stable")]
        names = (self._vocabulary[index] for index in kept.tolist())
        return dict(zip(names, weights[kept].tolist(), strict=True))


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


def answer(encoder: Encoder, line: str) -> dict[str, Any]:
    """The answer to one request line. Raises ProtocolError when the line is no request."""
    request = _request(line)
    if not isinstance(request.get("text"), str):
        return {"id": request["id"], "error": "text is missing or not a string"}
    return {"id": request["id"], **encoder.encode(request["text"])._asdict()}


def _request(line: str) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except json.JSONDecodeError as error:
        raise ProtocolError(f"not JSON: {line[:80]!r}") from error
    if not isinstance(request, dict) or "id" not in request:
        raise ProtocolError(f"not a request with an id: {line[:80]!r}")
    return request


def serve(encoder: Encoder, requests: Iterable[str], answers: IO[str]) -> None:
    """Answers each line of `requests` until they end. Raises ProtocolError as `answer` does."""
    _write(answers, {"ready": True, "model": MODEL, "dimensions": encoder.dimensions})
    for line in requests:
        _write(answers, answer(encoder, line))


def _write(stream: IO[str], message: dict[str, Any]) -> None:
    stream.write(json.dumps(message, separators=(",", ":")) + "\n")
    stream.flush()


def main() -> int:
    """Loads the model and serves stdin; returns the exit status."""
    parser = argparse.ArgumentParser(description="encodes texts from stdin, one JSON line each")
    given = int(os.environ.get("LOCAL_ML_THREADS", "1"))
    parser.add_argument("--threads", type=int, default=given, help="threads of one inference (LOCAL_ML_THREADS, 1)")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threads = parser.parse_args().threads
    requests = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", newline="\n")
    try:
        serve(load(threads), requests, sys.stdout)
    except ProtocolError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
