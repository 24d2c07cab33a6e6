"""The conservation law: every record that was taken ends in exactly one way, or is waiting or in flight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from streamer.metrics import CONSERVATION, CONSUMED, IN_FLIGHT, RECORDS, WAITING, Sample
from streamer.model import Partition, Result

Account = tuple[str, Partition]
"""Route and partition: what conservation is kept by."""


class Accounts:
    """Counts by route and partition.

    `waiting` and `in_flight` are moved where a record moves, and `consumed` and the results where it comes and goes;
    so the difference is zero only if no step forgot or doubled one.
    """

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self.consumed: Counter[Account] = Counter()
        self.waiting: Counter[Account] = Counter()
        self.in_flight: Counter[Account] = Counter()
        self.results: dict[Account, Counter[Result]] = {}

    def took(self, account: Account) -> None:
        """Count a record that came and waits."""
        self.consumed[account] += 1
        self.waiting[account] += 1

    def sent(self, account: Account) -> None:
        """Count a record that left the waiting ones for Elasticsearch or the dead letters."""
        self.waiting[account] -= 1
        self.in_flight[account] += 1

    def returned(self, account: Account) -> None:
        """Count a record that came back to wait again."""
        self.in_flight[account] -= 1
        self.waiting[account] += 1

    def ended_waiting(self, account: Account, result: Result) -> None:
        """Count a record that ended without being sent."""
        self.waiting[account] -= 1
        self._end(account, result)

    def ended_in_flight(self, account: Account, result: Result) -> None:
        """Count a record that ended after it was sent."""
        self.in_flight[account] -= 1
        self._end(account, result)

    def difference(self, account: Account) -> int:
        """Return what is missing (above zero) or counted twice (below zero)."""
        done = sum(self.results.get(account, Counter[Result]()).values())
        return self.consumed[account] - done - self.waiting[account] - self.in_flight[account]

    def worst(self) -> int:
        """Return the difference that is farthest from zero."""
        return max((self.difference(account) for account in self.consumed), key=abs, default=0)

    def totals(self) -> Counter[Result]:
        """Return the results of all partitions together."""
        return sum(self.results.values(), Counter[Result]())

    def samples(self) -> Iterator[Sample]:
        """Return all counts as metrics."""
        for account, consumed in self.consumed.items():
            labels = (account[0], account[1].topic, str(account[1].number))
            yield Sample(CONSUMED, labels, consumed)
            yield Sample(WAITING, labels, self.waiting[account])
            yield Sample(IN_FLIGHT, labels, self.in_flight[account])
            yield Sample(CONSERVATION, labels, self.difference(account))
            for result, count in self.results.get(account, Counter[Result]()).items():
                yield Sample(RECORDS, (*labels, result.value), count)

    def _end(self, account: Account, result: Result) -> None:
        self.results.setdefault(account, Counter())[result] += 1
