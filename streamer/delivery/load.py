"""What of a batch is still to be sent, in the chunks in which it is sent. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from streamer.model import Write


class Load:
    """The writes of a batch that are not done; each chunk is one request."""

    def __init__(self, writes: Sequence[Write]) -> None:
        """Begin with all in one chunk."""
        self._chunks: deque[list[Write]] = deque([list(writes)])

    def __bool__(self) -> bool:
        """Return whether anything is left."""
        return any(self._chunks)

    def __iter__(self) -> Iterator[Write]:
        """Return what is left, in the order in which it would be sent."""
        return (write for chunk in self._chunks for write in chunk)

    def take(self, *, alone: bool) -> list[Write]:
        """Take the next chunk out, or only its first write."""
        chunk = self._chunks.popleft()
        if alone and len(chunk) > 1:
            self._chunks.appendleft(chunk[1:])
            return chunk[:1]
        return chunk

    def halve(self, writes: Sequence[Write]) -> None:
        """Put back what was refused together: next go its halves, so that one bad document is found in few requests."""
        middle = (len(writes) + 1) // 2
        self._chunks.extendleft(half for half in (list(writes[middle:]), list(writes[:middle])) if half)

    def put_back(self, writes: Sequence[Write], *, probed: bool = False) -> None:
        """Put back what has to go again: together, but alone and last what the encoder's process died over.

        What only probed goes where it was taken from.
        """
        suspects = [[write] for write in writes if write.deaths]
        others = [write for write in writes if not write.deaths]
        waiting = [chunk for chunk in self._chunks if not _is_suspect(chunk)]
        last = [chunk for chunk in self._chunks if _is_suspect(chunk)]
        if probed and waiting:
            waiting[0], others = others + waiting[0], []
        self._chunks = deque(chunk for chunk in (*waiting, others, *last, *suspects) if chunk)

    def keep(self, wanted: Callable[[Write], bool]) -> None:
        """Leave out what is not `wanted`."""
        kept = ([write for write in chunk if wanted(write)] for chunk in self._chunks)
        self._chunks = deque(chunk for chunk in kept if chunk)

    def change(self, change: Callable[[Write], Write]) -> None:
        """Put `change(write)` in the place of each write."""
        self._chunks = deque([change(write) for write in chunk] for chunk in self._chunks)


def _is_suspect(chunk: Sequence[Write]) -> bool:
    return any(write.deaths for write in chunk)
