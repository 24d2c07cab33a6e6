"""How much each account may ask: a token bucket and a count of what runs, in this process.

Several processes do not know of each other: each lets an account have its whole share.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from search_api.access.principal import Principal
from search_api.access.settings import RateSettings
from search_api.errors import TooManyRequests
from streamer.clock import Clock

ACCOUNTS = 10_000
"""Subjects of tokens are without number: the ones that have been quiet longest are forgotten."""
BUSY_RETRY_S = 1


class Account:
    """What one account has used."""

    def __init__(self, limits: RateSettings, now: float) -> None:
        """Begin with a full bucket."""
        self.running = 0
        self._filled, self._at = self._size(limits), now

    def wait_s(self, limits: RateSettings, now: float, cost: int) -> float:
        """Take `cost` requests from the bucket; if it has not as many, take none and return the seconds until it has.

        A cost beyond the whole bucket is taken from a full one, which then owes: it can be waited for as well.
        """
        rate, size = limits.per_second, self._size(limits)
        if rate is None:
            return 0.0
        self._filled, self._at = min(size, self._filled + (now - self._at) * rate), now
        needed = min(cost, size)
        if self._filled < needed:
            return (needed - self._filled) / rate
        self._filled -= cost
        return 0.0

    @staticmethod
    def _size(limits: RateSettings) -> float:
        return limits.burst or max(1.0, limits.per_second or 1.0)


class Rates:
    """The accounts of this process."""

    def __init__(self, clock: Clock) -> None:
        """Count from now."""
        self._clock = clock
        self._accounts: OrderedDict[str, Account] = OrderedDict()

    @contextmanager
    def running(self, caller: Principal) -> Iterator[None]:
        """Let a request run; raises TooManyRequests when it is one too many, now or at a time."""
        account = self._account(caller)
        if caller.limits.concurrent is not None and account.running >= caller.limits.concurrent:
            raise TooManyRequests(f"at most {caller.limits.concurrent} requests at a time", BUSY_RETRY_S)
        self.charge(caller)
        account.running += 1
        try:
            yield
        finally:
            account.running -= 1

    def charge(self, caller: Principal, cost: int = 1) -> None:
        """Count `cost` requests, for instance the searches of a request that holds several.

        Raises TooManyRequests, and then counts nothing.
        """
        wait_s = self._account(caller).wait_s(caller.limits, self._clock.monotonic(), cost)
        if wait_s > 0:
            raise TooManyRequests(f"at most {caller.limits.per_second:g} requests a second", max(1, math.ceil(wait_s)))

    def _account(self, caller: Principal) -> Account:
        account = self._accounts.get(caller.account)
        if account is None:
            account = self._accounts[caller.account] = Account(caller.limits, self._clock.monotonic())
            self._forget()
        self._accounts.move_to_end(caller.account)
        return account

    def _forget(self) -> None:
        while len(self._accounts) > ACCOUNTS:
            oldest = next(iter(self._accounts))
            if self._accounts[oldest].running:
                return
            del self._accounts[oldest]
