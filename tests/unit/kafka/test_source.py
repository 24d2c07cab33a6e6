"""The poll thread: it hands over what it took, and does what it is told and no more."""

import asyncio
from types import SimpleNamespace

import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_STORED, KafkaException
from confluent_kafka import KafkaError as ClientError

from streamer.errors import KafkaError, StreamerError
from streamer.kafka import source as module
from streamer.kafka.admin import Committed
from streamer.kafka.source import BEGINNING, Commit, Directive, Source
from streamer.kafka.statistics import Statistics
from streamer.model import Record
from streamer.settings import KafkaSettings
from tests.fakes.consumer import FakeConsumer, FakeMessage
from tests.unit.builders import P0, P1


class Handler:
    """Answers each step from a list of directives, then leaves what is paused; keeps what it was told."""

    def __init__(self, *directives, last=()):
        self.directives, self.last = list(directives), last
        self.paused = frozenset()
        self.told = []
        self.records = []
        self.committed_before = {}
        self.starts = {}

    async def assigned(self, partitions, committed):
        self.told.append(("assigned", list(partitions)))
        self.committed_before |= committed
        return self.starts

    async def revoked(self, partitions):
        self.told.append(("revoked", list(partitions)))
        return self.last

    async def lost(self, partitions):
        self.told.append(("lost", list(partitions)))

    async def step(self, records):
        self.records += records
        directive = self.directives.pop(0) if self.directives else Directive(self.paused)
        self.paused = directive.paused
        return directive

    async def committed(self, commits, error):
        self.told.append(("committed", [one.partition for one in commits], error))


def rebalance(event, *numbers):
    return lambda consumer: consumer.rebalance(event, *numbers)


def nothing(_):
    return None


ASSIGN = rebalance("on_assign", 0, 1)


@pytest.fixture
def play(monkeypatch):
    """Run a source over a script until the script is at its end."""

    async def played(handler, *script, refusal=None, commits=None, assignments=False):
        consumer = FakeConsumer([*script, lambda _: source.stop()])
        consumer.refusal = refusal
        consumer.commits = commits or {}
        monkeypatch.setattr(module, "Consumer", consumer)
        source = Source(KafkaSettings(), ["films"], handler, Statistics())
        await source.run()
        consumer.calls = [call for call in consumer.calls if assignments or call[0] != "assign"]
        return consumer

    return played


async def test_records_are_handed_over_in_order(play):
    handler = Handler()
    message = FakeMessage(1, headers=[("a", b"1"), ("a", None)], key=None, value=None)

    def several(consumer):
        consumer.ready = [message, FakeMessage(2, key="text")]
        return FakeMessage(0)

    await play(handler, ASSIGN, several)
    assert handler.records == [
        Record(P0, 0, 17, b"k", b"v"),
        Record(P0, 1, 17, None, None, (("a", b"1"), ("a", None))),
        Record(P0, 2, 17, b"text", b"v"),
    ]


async def test_on_the_way_out_all_is_given_up_committed_and_closed(play):
    handler = Handler(last=[Commit(P0, 7, "m")])
    consumer = await play(handler, ASSIGN)
    assert consumer.calls == [("subscribe", ["films"]), ("commit", [(0, 7, "m")]), ("close", None)]
    assert handler.told == [("assigned", [P0, P1]), ("revoked", [P0, P1]), ("committed", [P0], None)]


async def test_a_partition_begins_at_its_commit_unless_the_handler_says_otherwise(play):
    handler = Handler()
    handler.starts = {P1: BEGINNING}
    consumer = await play(handler, ASSIGN, commits={1: (9, "m")}, assignments=True)
    assert ("assign", [(0, OFFSET_STORED), (1, OFFSET_BEGINNING)]) in consumer.calls
    assert handler.committed_before == {P1: Committed(9, "m")}


async def test_nothing_is_committed_or_stored_but_by_us(play):
    consumer = await play(Handler(), nothing)
    assert (consumer.config["enable.auto.commit"], consumer.config["enable.auto.offset.store"]) == (False, False)


async def test_only_changes_are_paused_and_resumed(play):
    both, one = Directive(frozenset({P0, P1})), Directive(frozenset({P1}))
    consumer = await play(Handler(Directive(), both, both, one, Directive()), ASSIGN, *[nothing] * 4)
    assert consumer.calls[1:-1] == [("pause", [0, 1]), ("resume", [0]), ("resume", [1])]


async def test_a_pause_is_applied_again_after_a_rebalance(play):
    paused = Directive(frozenset({P0}))
    handler = Handler(paused, paused, paused, paused)
    consumer = await play(handler, ASSIGN, rebalance("on_revoke", 0), rebalance("on_assign", 0), nothing)
    assert consumer.calls[1:-1] == [("pause", [0]), ("pause", [0])]


async def test_a_partition_that_is_assigned_once_more_is_paused_once_more(play):
    paused = Directive(frozenset({P0}))
    consumer = await play(Handler(paused, paused), ASSIGN, rebalance("on_assign", 0))
    assert consumer.calls[1:-1] == [("pause", [0]), ("pause", [0])]


async def test_what_is_not_ours_is_not_paused(play):
    consumer = await play(Handler(Directive(), Directive(frozenset({P0, P1}))), rebalance("on_assign", 1), nothing)
    assert consumer.calls[1:-1] == [("pause", [1])]


async def test_commits_are_made_between_polls_with_their_metadata(play):
    consumer = await play(Handler(Directive(commits=(Commit(P0, 5, "m"), Commit(P1, 6)))), ASSIGN)
    assert consumer.calls[1] == ("commit later", [(0, 5, "m"), (1, 6, "")])


async def test_a_revoke_is_drained_and_committed_before_it_returns(play):
    handler = Handler(last=[Commit(P0, 3)])
    consumer = await play(handler, ASSIGN, rebalance("on_revoke", 0))
    assert consumer.calls[1] == ("commit", [(0, 3, "")])
    assert handler.told[1:3] == [("revoked", [P0]), ("committed", [P0], None)]
    assert handler.told[3] == ("revoked", [P1])


async def test_what_is_lost_is_not_committed(play):
    handler = Handler(last=[])
    consumer = await play(handler, ASSIGN, rebalance("on_lost", 0, 1))
    assert handler.told[1:] == [("lost", [P0, P1]), ("revoked", [])]
    assert [name for name, _ in consumer.calls] == ["subscribe", "close"]


async def test_a_topic_that_is_another_now_begins_with_another_consumer(play):
    handler = Handler(Directive(), Directive(renew=frozenset({"films"})), last=[Commit(P1, 2)])
    consumer = await play(handler, ASSIGN, nothing, rebalance("on_assign", 1))
    assert handler.told == [
        ("assigned", [P0, P1]),
        ("lost", [P0, P1]),
        ("revoked", []),
        ("committed", [P1], None),
        ("assigned", [P1]),
        ("revoked", [P1]),
        ("committed", [P1], None),
    ]
    assert [name for name, _ in consumer.calls if name in {"subscribe", "close"}] == ["subscribe", "close"] * 2


async def test_a_commit_that_is_refused_on_the_way_out_is_told(play):
    handler = Handler(last=[Commit(P0, 3)])
    refusal = KafkaException(ClientError(ClientError.ILLEGAL_GENERATION))
    await play(handler, ASSIGN, refusal=refusal)
    assert handler.told[-1][:2] == ("committed", [P0])
    assert handler.told[-1][2]


def position(number, offset, failure=None):
    return SimpleNamespace(topic="films", partition=number, offset=offset, metadata=None, error=failure)


async def test_refused_commits_are_told_apart_from_made_ones(play):
    refusal = ClientError(ClientError.ILLEGAL_GENERATION)
    handler = Handler()

    def answered(consumer):
        consumer.config["on_commit"](None, [position(0, 5), position(1, 6, refusal)])
        consumer.config["on_commit"](refusal, [position(0, 5), position(1, 6)])

    await play(handler, ASSIGN, answered)
    told = [entry for entry in handler.told if entry[0] == "committed"]
    assert [(partitions, bool(error)) for _, partitions, error in told] == [
        ([P1], True),
        ([P0], False),
        ([P0, P1], True),
    ]


@pytest.mark.parametrize(
    "code", [ClientError._TRANSPORT, ClientError.UNKNOWN_TOPIC_OR_PART, ClientError._UNKNOWN_PARTITION]
)
async def test_what_passes_by_itself_is_no_record(play, code):
    handler = Handler()
    await play(handler, lambda _: FakeMessage(failure=ClientError(code)))
    assert handler.records == []


async def test_what_does_not_pass_ends_the_run(play):
    failure = ClientError(ClientError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(KafkaError, match="films"):
        await play(Handler(), lambda _: FakeMessage(failure=failure))


async def test_an_error_of_the_handler_ends_the_run_and_closes(play, monkeypatch):
    class Broken(Handler):
        async def step(self, records):
            raise StreamerError("no")

    with pytest.raises(StreamerError, match="no"):
        await play(Broken(), nothing)
    assert module.Consumer.calls[-1] == ("close", None)


async def test_when_something_else_failed_nothing_is_drained(monkeypatch):
    handler = Handler()
    monkeypatch.setattr(module, "Consumer", FakeConsumer([ASSIGN]))
    running = asyncio.create_task(Source(KafkaSettings(), ["films"], handler, Statistics()).run())
    async with asyncio.timeout(10):
        while not handler.told:  # noqa: ASYNC110 - the thread tells nobody else
            await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert handler.told == [("assigned", [P0, P1]), ("lost", [P0, P1])]


async def test_statistics_are_kept(play):
    consumer = await play(Handler(), nothing)
    consumer.config["stats_cb"]('{"rxmsg_bytes":5,"topics":{"films":{"partitions":{"0":{"hi_offset":7}}}}}')
    learned = consumer.config["stats_cb"].__self__
    assert (learned.fetched_bytes, learned.log_end(P0), learned.log_end(P1)) == (5, 7, None)
