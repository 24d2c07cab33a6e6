"""Virtual time: an event loop whose waits cost nothing and end in their order, and a clock that reads it."""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

NOW_MS = 1_763_800_000_000


class Stuck(AssertionError):
    """Everybody waits for an event that nobody will cause."""


class _Leaper:
    """A selector that passes virtual time instead of waiting."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self.now = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._selector.select(0)
        if not ready and timeout is None:
            raise Stuck("all tasks wait, and no timer runs")
        if not ready and timeout:
            self.now += timeout
        return ready

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)


class VirtualLoop(asyncio.SelectorEventLoop):
    """For tasks that use no thread and no socket."""

    def __init__(self) -> None:
        self._leaper = _Leaper(selectors.DefaultSelector())
        super().__init__(self._leaper)  # type: ignore[arg-type]

    def time(self) -> float:
        return self._leaper.now


class LoopClock:
    """The clock of the loop that runs; its wall clock moves with it."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now_ms(self) -> int:
        return NOW_MS + int(self.monotonic() * 1_000)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class HandClock:
    """A clock that a test moves, for code that does not wait."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def now_ms(self) -> int:
        return NOW_MS + int(self.now * 1_000)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on a `VirtualLoop`."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


async def settle(turns: int = 20) -> None:
    """Let every task go on until it waits for time or for an event."""
    for _ in range(turns):
        await asyncio.sleep(0)
