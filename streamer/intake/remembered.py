"""What a commit remembers beside its offset: the topic's incarnation, and which records above the offset are done.

A restart skips those, so that only the gaps are inferred again. Kafka keeps the text beside the offset of a commit
(`offset.metadata.max.bytes`, 4,096 by default). Pure.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator

import msgspec

MAX_DONE_CHARACTERS = 3_900
"""What the brokers' limit leaves beside topic id and epoch; ranges that don't fit are forgotten, not wrong."""

CROWDED_CHARACTERS = 3_072
"""Three quarters of the limit: from here on the partition takes no new records until the gaps have closed."""

SEVEN_BITS, MORE = 0x7F, 0x80
MAX_SHIFT = 63

Range = tuple[int, int]
"""First and last offset of a run of records that are done; what Kafka has no record for may lie between."""


class Memory(msgspec.Struct, frozen=True):
    """The metadata of a commit."""

    topic_id: str
    epoch: int
    done: str = ""
    v: int = 1


def write(memory: Memory) -> str:
    """Return the metadata as text."""
    return msgspec.json.encode(memory).decode()


def read(text: str) -> Memory | None:
    """Return what a commit's metadata says; None when it is not ours, as after a reset with Kafka's own tools."""
    try:
        memory = msgspec.json.decode(text, type=Memory)
    except msgspec.MsgspecError:
        return None
    return memory if memory.v == 1 else None


def write_ranges(position: int, ranges: Iterable[Range]) -> str:
    """Return rising `ranges` above `position` as text: distances, seven bits a byte, in base64."""
    packed, before = bytearray(), position
    for first, last in ranges:
        following = _packed(first - before) + _packed(last - first)
        if 4 * (len(packed) + len(following) + 2) // 3 > MAX_DONE_CHARACTERS:
            break
        packed += following
        before = last
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def read_ranges(position: int, text: str) -> list[Range]:
    """Return the ranges in `text`; none when it is broken, because to infer again is always right."""
    try:
        numbers = list(_unpacked(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))
    except (binascii.Error, ValueError):
        return []
    ranges, before = [], position
    for distance, length in zip(numbers[::2], numbers[1::2], strict=False):
        ranges.append((before + distance, before + distance + length))
        before = ranges[-1][1]
    return ranges


def _packed(number: int) -> bytes:
    packed = bytearray()
    while number > SEVEN_BITS:
        packed.append(number & SEVEN_BITS | MORE)
        number >>= 7
    packed.append(number)
    return bytes(packed)


def _unpacked(packed: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in packed:
        number |= (byte & SEVEN_BITS) << shift
        shift += 7
        if shift > MAX_SHIFT:
            raise ValueError("a number has more bits than an offset")
        if not byte & MORE:
            yield number
            number = shift = 0
    if shift:
        raise ValueError("the last number is cut off")
