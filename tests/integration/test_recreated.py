"""A topic is deleted and made again: what comes of the new one wins, and nothing of it is taken for done."""

import signal

import pytest

from tests.fixtures.films import films, records_of
from tests.fixtures.truth import assert_exact
from tests.fixtures.waiting import until

FLOW = {"topic_check_interval_s": 0.3}
FILMS = 60


@pytest.fixture
def case(scenario):
    made = scenario(deployment={"number_of_allocations": 4}, flow=FLOW)
    made.set_up()
    return made


def later(count, first=0):
    """Return the records of later states of some films."""
    return records_of([film | {"rating": 7} for film in films(first + count)[first:]])


def epochs_of(case):
    return [found.source["_streamer"]["epoch"] for found in case.elastic.documents(case.index).values()]


def await_share(case, both):
    """Wait until each has partitions of the topic; the streamer's own topics have partitions too."""

    def shared():
        names = [{name.rpartition("-")[0] for name in one.status()["partitions"]} for one in both]
        return all(case.topic in one for one in names)

    until(shared, "a share for each")


def await_epoch(case, count, epoch=2):
    until(
        lambda: epochs_of(case).count(epoch) == count,
        f"{count} documents of epoch {epoch}",
        state=lambda: epochs_of(case),
    )


@pytest.mark.parametrize(
    ("partitions", "protocol"), [(2, "classic"), (4, "classic"), (6, "classic"), (2, "consumer"), (6, "consumer")]
)
def test_while_two_instances_run(scenario, partitions, protocol):
    case = scenario(deployment={"number_of_allocations": 4}, flow=FLOW, connection={"group_protocol": protocol})
    case.set_up()
    both = [case.start(), case.start()]
    await_share(case, both)
    case.send(records_of(films(FILMS)))
    case.await_done(*both)
    case.make_again(partitions)
    # More records than before, so that no offset looks as if it had been delivered; and some stay as they were.
    case.send([*later(FILMS // 2), *later(FILMS // 2), *later(FILMS // 2), *later(FILMS // 2)])
    await_epoch(case, FILMS // 2)
    case.await_done(*both)
    assert_exact(case)
    assert case.letters() == []
    assert all(one.alive for one in both)
    for one in both:
        one.terminate()
        assert one.wait() == 0


@pytest.mark.parametrize(("protocol", "look_s"), [("classic", 0.3), ("consumer", 0.3), ("consumer", 600)])
def test_after_a_change_of_leaders(scenario, stack, protocol, look_s):
    """The old topic's leader had an epoch above 0, the new one's is 0 again; the group may notice before we look."""
    case = scenario(flow={"topic_check_interval_s": look_s}, connection={"group_protocol": protocol})
    case.set_up()
    running = case.start()
    case.send(records_of(films(FILMS)))
    case.await_done(running)
    stack.kafka.kill()
    stack.kafka.start()
    case.send(later(5))
    case.await_done(running)
    case.make_again()
    case.send(later(FILMS))
    await_epoch(case, FILMS)
    case.await_done(running)
    assert_exact(case)
    assert running.alive


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_with_fewer_records_than_before(scenario, protocol):
    """The offsets begin anew: that is no error, and not waited for either. A static member comes back as itself."""
    connection = {"group_protocol": protocol, "group_instance_id": "one"}
    case = scenario(flow=FLOW | {"topic_check_interval_s": 600}, connection=connection)
    case.set_up()
    running = case.start()
    case.send(records_of(films(FILMS)))
    case.await_done(running)
    case.make_again()
    case.send(later(5))
    await_epoch(case, 5)
    case.await_done(running)
    assert_exact(case)
    assert running.alive


def test_what_is_in_flight_is_given_up(case):
    """Bulks of the old topic may still end; their offsets are not committed for the new one."""
    case.elastic.synthetic(case.deployment, base_ms=300)
    running = case.start()
    case.send(records_of(films(FILMS)))
    case.await_in_flight(running)
    case.make_again()
    case.elastic.synthetic(case.deployment, base_ms=10)
    case.send(later(FILMS))
    await_epoch(case, FILMS)
    case.await_done(running)
    assert_exact(case)
    assert running.status()["results"]["handed_over"]


def test_while_it_was_stopped_with_an_old_commit_left(case):
    running = case.start()
    case.send(records_of(films(FILMS)))
    case.await_done(running)
    running.terminate()
    assert running.wait() == 0
    old = case.kafka.commits(case.group, case.topic)
    case.make_again()
    case.send(later(FILMS))
    case.kafka.commit(case.group, old)
    assert case.committed == FILMS
    again = case.start()
    await_epoch(case, FILMS)
    case.await_done(again)
    assert_exact(case)
    assert [event["event"] for event in again.events()].count("commit of another incarnation ignored") == 4


def test_a_topic_that_is_gone_is_waited_for(case):
    other = f"{case.name}-other"
    case.kafka.create(other, 2)
    case.settings["routes"][0]["topics"] = [case.topic, other]
    running = case.start()
    case.send(records_of(films(FILMS)))
    case.await_done(running)
    case.kafka.remove(case.topic)
    until(lambda: running.event("lost"), "its partitions to be given up")
    # The other topic goes on meanwhile.
    case.sent += case.kafka.send(other, records_of(films(FILMS + 5)[FILMS:]))
    until(lambda: len(case.elastic.documents(case.index)) == FILMS + 5, "what the other topic brings")
    case.kafka.create(case.topic, 4)
    case.epoch = 2
    case.send(later(10))
    await_epoch(case, 10)
    case.await_done(running)
    assert_exact(case)
    assert running.alive


def test_a_member_that_slept_through_it(case):
    """It wakes with the old topic in its buffers, while the new one is another's."""
    first, second = case.start(), case.start()
    await_share(case, [first, second])
    case.send(records_of(films(FILMS)))
    case.await_done(first, second)
    first.signal(signal.SIGSTOP)
    case.make_again()
    case.send(later(FILMS))
    await_epoch(case, FILMS)
    first.signal(signal.SIGCONT)
    case.send(later(FILMS, 0))
    case.await_done(first, second)
    assert_exact(case)
    assert first.alive
    assert second.alive
