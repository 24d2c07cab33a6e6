"""A topic of Debezium's change events, from the snapshot to deletions with their tombstones: the index is the table."""

import dataclasses
import json

import pytest

from tests.fixtures.films import films
from tests.fixtures.scenario import results
from tests.fixtures.truth import assert_exact

SOURCE = {"version": "3.0.5.Final", "connector": "postgresql", "db": "inventory", "schema": "public", "table": "films"}


def plain(value):
    return value


def with_schema(value):
    """Return what a JsonConverter with `schemas.enable` makes of `value`."""
    return {"schema": {"type": "struct", "name": "server.public.films.Envelope", "fields": []}, "payload": value}


class Table:
    """Makes the events of a table and remembers for each the row that it leaves."""

    def __init__(self, wrap):
        self._wrap = wrap
        self.events, self.rows = [], []

    def tell(self, op, before, after, lsn=1):
        row = after or before
        event = {
            "before": before,
            "after": after,
            "source": SOURCE | {"lsn": lsn},
            "op": op,
            "ts_ms": 1_714_000_000_142,
        }
        self._add({"id": row["id"]}, json.dumps(self._wrap(event)).encode(), after)

    def delete(self, row, *, lsn=1, tombstone=True):
        self.tell("d", {"id": row["id"]}, None, lsn)
        if tombstone:
            self._add({"id": row["id"]}, None, None)

    def send(self, case):
        """Produce the events; return them with key and value as of a topic of rows."""
        sent = case.send(self.events)
        rows = [
            dataclasses.replace(one, key=key, value=value) for one, (key, value) in zip(sent, self.rows, strict=True)
        ]
        self.events, self.rows = [], []
        return rows

    def _add(self, key, value, row):
        self.events.append((json.dumps(self._wrap(key)).encode(), value))
        self.rows.append((str(key["id"]).encode(), None if row is None else json.dumps(row).encode()))


@pytest.mark.parametrize("wrap", [plain, with_schema])
def test_the_index_is_the_table(scenario, wrap):
    case = scenario(route={"format": "debezium"})
    case.set_up()
    table, old, new = Table(wrap), films(30), films(10, start=100)
    for row in old:
        table.tell("r", None, row)
    running = case.start()
    told = table.send(case)
    case.await_done(running)
    assert len(assert_exact(case, told)) == len(old)

    for row in new:
        table.tell("c", None, row)
    for row in old[:12]:
        table.tell("u", row, row | {"rating": 2.5})
    for row in old[10:20]:
        table.delete(row)
    for row in old[18:20]:
        table.tell("c", None, row | {"title": "Back again"})
    told += table.send(case)
    truncation = json.dumps(wrap({"source": SOURCE, "op": "t", "ts_ms": 1_714_000_000_142})).encode()
    (rejected,) = case.send([(None, truncation)])
    case.await_done(running)

    assert len(assert_exact(case, told)) == 30 + 10 - 10 + 2
    (letter,) = case.letters()
    assert (letter["partition"], letter["offset"]) == (rejected.partition, rejected.offset)
    assert "truncate" in letter["detail"]
    assert sum(results(running).values()) == len(told) + 1


def test_versions_of_the_log_hold_across_what_is_told_again(scenario):
    """A connector that begins again tells old states under new offsets: the log's place says that they are old."""
    case = scenario(route={"format": "debezium", "version_from": "envelope:source.lsn"})
    case.set_up()
    table, (kept, gone) = Table(plain), films(2)
    for row in (kept, gone):
        table.tell("c", None, row, lsn=10)
    table.tell("u", kept, kept | {"rating": 2.5}, lsn=30)
    table.delete(gone, lsn=40, tombstone=False)
    running = case.start()
    table.send(case)
    case.await_done(running)

    for row in (kept, gone):
        table.tell("u", row, row | {"title": "Long ago"}, lsn=20)
    table.send(case)
    case.await_done(running)
    found = case.elastic.documents(case.index)
    assert found.keys() == {kept["id"]}
    assert (found[kept["id"]].version, found[kept["id"]].source["rating"]) == (30, 2.5)
    assert found[kept["id"]].source["title"] == kept["title"]
    assert results(running)["stale"] == 2
    assert case.letters() == []
