"""Documents of a scenario: how long they are, and how long the synthetic model takes for them.

Texts are those of the local stack's synthetic model (compose/local/elasticsearch): so many words, the last one the
document's own name; its time is base + per token x tokens x log-normal jitter, and the jitter a function of the text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from random import Random

from tests.scenarios.case import Lengths, Service

MAX_TOKENS = 512
WORD = "word "
MASK = (1 << 64) - 1
OFFSET, PRIME = 0xCBF29CE484222325, 0x100000001B3
GAMMA = 0x9E3779B97F4A7C15


class Document:
    """One document. It has no text before it is first sent: its length is that of the time then."""

    __slots__ = ("born", "indexed", "name", "number", "partition", "seconds", "sends", "tokens")

    def __init__(self, partition: int, number: int, born: float) -> None:
        self.partition, self.number, self.born = partition, number, born
        self.name = f"{partition}-{number}"
        self.tokens = 0
        self.seconds = 0.0
        """Of inference on a whole core."""
        self.indexed = self.sends = 0


class Lengthener:
    """Gives documents their text when they are first sent."""

    def __init__(self, lengths: Sequence[Lengths], service: Service, seed: int) -> None:
        self._lengths, self._service, self._random = lengths, service, Random(seed)
        self._means: dict[Lengths, float] = {}

    def sent(self, document: Document, now: float) -> None:
        """Note that a document is sent, `now` seconds into the scenario."""
        document.sends += 1
        if not document.tokens:
            document.tokens = self._draw(now)
            document.seconds = seconds_of(document.name, document.tokens, self._service)

    def expected(self, now: float) -> float:
        """Return the mean inference time of documents that are sent `now`."""
        lengths = [one for one in self._lengths if one.after <= now][-1]
        if lengths not in self._means:
            random = Random(1)
            drawn = [seconds_of(str(n), _draw(lengths, random), self._service) for n in range(2_000)]
            self._means[lengths] = sum(drawn) / len(drawn)
        return self._means[lengths]

    def _draw(self, now: float) -> int:
        return _draw([one for one in self._lengths if one.after <= now][-1], self._random)


def _draw(lengths: Lengths, random: Random) -> int:
    if lengths.tokens is not None:
        return lengths.tokens
    if lengths.lognormal is not None:
        drawn = random.lognormvariate(math.log(lengths.lognormal.median), lengths.lognormal.sigma)
        return max(1, min(MAX_TOKENS, round(drawn)))
    kinds = lengths.mixed or ()
    return random.choices([one.tokens for one in kinds], [one.share for one in kinds])[0]


def text_of(name: str, tokens: int) -> str:
    """Return the text of a document: so many words, at most 512, the last one its name."""
    return WORD * (tokens - 1) + name


def seconds_of(name: str, tokens: int, service: Service) -> float:
    """Return the seconds of one inference of `text_of(name, tokens)`."""
    jitter = math.exp(service.sigma * _gaussian(_hash(name, _prefixes()[tokens - 1]))) if service.sigma else 1.0
    return (service.base_ms + service.ms_per_token * tokens * jitter) / 1_000


@cache
def _prefixes() -> list[int]:
    """Return the hash after 0, 1, 2 ... words."""
    found = [OFFSET]
    for _ in range(MAX_TOKENS):
        found.append(_hash(WORD, found[-1]))
    return found


def _hash(text: str, start: int) -> int:
    """FNV-1a over 64 bits, going on from `start`."""
    for character in text:
        start = ((start ^ ord(character)) * PRIME) & MASK
    return start


def _gaussian(seed: int) -> float:
    """Box and Muller over the first two numbers of SplitMix64."""
    first, second = _uniform(seed + GAMMA), _uniform(seed + 2 * GAMMA)
    return math.sqrt(-2 * math.log(1 - first)) * math.cos(2 * math.pi * second)


def _uniform(state: int) -> float:
    mixed = state & MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
    return ((mixed ^ (mixed >> 31)) >> 11) / (1 << 53)
