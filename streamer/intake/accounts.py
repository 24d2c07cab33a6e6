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

    def took(self, account: Account, records: int = 1) -> None:
        """Count records that came and wait."""
        self.consumed[account] += records
        self.waiting[account] += records

    def sent(self, account: Account, records: int = 1) -> None:
        """Count records that left the waiting ones for Elasticsearch or the dead letters."""
        self.waiting[account] -= records
        self.in_flight[account] += records

    def returned(self, account: Account) -> None:
        """Count a record that came back to wait again."""
        self.in_flight[account] -= 1
        self.waiting[account] += 1

    def ended_waiting(self, account: Account, result: Result) -> None:
        """Count a record that ended without being sent."""
        self.waiting[account] -= 1
        self._end(account, result, 1)

    def ended_in_flight(self, account: Account, result: Result, records: int = 1) -> None:
        """Count records that ended after they were sent."""
        self.in_flight[account] -= records
        self._end(account, result, records)

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

    def _end(self, account: Account, result: Result, records: int) -> None:
        self.results.setdefault(account, Counter())[result] += records
