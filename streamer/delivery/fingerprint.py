"""One short name for one fault, in however many records it shows. Pure."""

from __future__ import annotations

import hashlib
import re

HEX_DIGITS = 16
ID_AND_VALUE = " in document with id "
"""What Elasticsearch says behind these words is the document's own: its id and a part of its value."""

# An apostrophe inside a word opens and closes nothing. The names of fields and types stay: they are part of the fault.
QUOTED = re.compile(
    r"""(?<!\bfield\ )(?<!\btype\ )(?:(?<!\w)'[^\n]*?'(?!\w) | "[^"\n]*" | `[^`\n]*` | \[[^\]\n]*\])""", re.VERBOSE
)
NUMBER = re.compile(r"\w*\d\w*")


def fingerprint(route: str, stage: str, reason: str, detail: str) -> str:
    """Return 16 hexadecimal digits, the same for records that differ only in ids, values, numbers and positions."""
    text = "\0".join((route, stage, reason, normalised(detail)))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HEX_DIGITS // 2).hexdigest()


def normalised(detail: str) -> str:
    """Return `detail` without what belongs to one record alone."""
    return NUMBER.sub("#", QUOTED.sub("_", detail.partition(ID_AND_VALUE)[0]))
