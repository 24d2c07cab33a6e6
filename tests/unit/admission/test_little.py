"""The window follows what gets through and what the allocations could do, and never above half of the queue."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.admission.capacity import Capacity
from streamer.admission.little import BLIND, BLIND_WINDOW, FIRST_WINDOW, MOST_DELAY_S, LittleLimit
from streamer.admission.rate import Rate


class Deployment:
    """Statistics of a deployment that infers `service_s` for each input, seen by a limit of its own."""

    def __init__(self, allocations=1, nodes=1, queue=1024, service_s=0.35, share=1.0, headroom=0):
        self.allocations, self.nodes, self.queue, self.service_s = allocations, nodes, queue, service_s
        self.limit = LittleLimit(1.0, headroom)
        self.limit.set_share(share)
        self.now, self.inferences, self.worked_ms = 1_000.0, 0, 0.0

    @property
    def stats(self):
        mean = 1_000 * self.service_s if self.inferences else None
        return Capacity(
            "started", self.allocations, self.nodes, self.queue, 0, 0, self.inferences, mean, self.worked_ms
        )

    def look(self):
        self.limit.on_capacity(self.stats, self.now)

    def work(self, seconds, busy=1.0, *, own=1.0, looks=True, bulks_per_second=4):
        """Let the allocations be busy for that part of the time, `own` part of it with our inputs."""
        rate = busy * self.allocations / self.service_s
        done = 0.0
        for step in range(1, int(seconds * bulks_per_second) + 1):
            self.now += 1 / bulks_per_second
            before, done = int(done), done + rate / bulks_per_second
            self.inferences += int(done) - before
            self.worked_ms += 1_000 * self.service_s * (int(done) - before)
            self.limit.on_success(int(own * (int(done) - before)), self.now)
            if looks and step % (2 * bulks_per_second) == 0:
                self.look()


def test_before_anything_is_known_it_is_small():
    assert LittleLimit(1.0).window == FIRST_WINDOW


@pytest.mark.parametrize(("share", "window"), [(1.0, 8), (0.25, 2), (0.01, 1)])
def test_as_long_as_nothing_tells_anything_it_is_a_share_of_a_few(share, window):
    made = LittleLimit(1.0)
    made.set_share(share)
    made.on_capacity(None, 1.0)
    assert made.window == window


def test_with_the_first_statistics_it_is_what_the_allocations_could_do():
    made = Deployment(allocations=8)
    made.look()
    assert made.limit.window == int(8 / 0.3 * 1.3)
    assert made.limit.parts.bound == "allocations"


@pytest.mark.parametrize("allocations", [1, 8, 64])
@pytest.mark.parametrize("service_s", [0.005, 0.35, 0.7])
def test_in_the_long_run_it_is_the_rate_times_service_and_wait(allocations, service_s):
    made = Deployment(allocations=allocations, service_s=service_s, queue=100_000)
    made.look()
    made.work(120)
    rate = allocations / service_s
    # The wait has trimmed itself to its least: the allocations are busy.
    assert made.limit.window == pytest.approx(rate * (service_s + 0.5), rel=0.1, abs=1)


def test_it_follows_twice_and_half_the_allocations_at_the_next_look():
    made = Deployment(allocations=4)
    made.look()
    made.work(60)
    before = made.limit.window
    made.allocations = 8
    made.work(2)
    assert made.limit.window == pytest.approx(2 * before, rel=0.15)
    made.work(60)
    made.allocations = 4
    made.work(30)
    assert made.limit.window == pytest.approx(before, rel=0.15)


def test_idle_allocations_lengthen_the_wait_up_to_its_most():
    made = Deployment(allocations=8, nodes=4)
    made.look()
    made.work(240, busy=0.9)
    assert made.limit.parts.delay_s == MOST_DELAY_S


def test_a_source_that_ran_dry_says_nothing_about_the_wait():
    made = Deployment(allocations=8)
    made.look()
    for _ in range(60):
        made.limit.on_idle(made.now)
        made.work(2, busy=0.2)
    assert made.limit.parts.delay_s == 1.0


def test_without_statistics_the_rate_alone_carries_it():
    made = Deployment(allocations=8)
    made.limit.on_capacity(None, made.now)
    made.work(30, looks=False)
    assert made.limit.parts.bound == "rate alone"
    assert made.limit.window == pytest.approx(8 / 0.35 * (0.3 + BLIND), rel=0.1)


def test_statistics_that_stop_coming_count_for_ten_seconds():
    made = Deployment(allocations=8)
    made.look()
    made.work(30)
    made.work(9, looks=False)
    assert made.limit.parts.bound != "rate alone"
    made.work(3, looks=False)
    assert made.limit.parts.bound == "rate alone"


def test_a_reset_of_the_counters_leaves_one_interval_unknown():
    made = Deployment(allocations=8)
    made.look()
    made.work(60)
    before = made.limit.window
    made.inferences, made.worked_ms = 0, 0.0
    made.look()
    made.work(30)
    assert made.limit.window == pytest.approx(before, rel=0.1)


def test_each_instance_takes_its_share():
    made = Deployment(allocations=8, share=0.25)
    made.look()
    made.work(120, own=0.25)
    alone = Deployment(allocations=8)
    alone.look()
    alone.work(120)
    assert made.limit.window == pytest.approx(alone.limit.window / 4, rel=0.3)


def test_an_instance_that_got_ahead_of_its_share_does_not_keep_it():
    made = Deployment(allocations=8, share=0.25)
    made.look()
    made.work(60, own=0.75)
    assert made.limit.parts.rate > 2 * 0.25 * 8 / 0.35
    assert made.limit.parts.bound == "allocations"
    assert made.limit.parts.possible == pytest.approx(0.25 * 8 / 0.35)
    assert made.limit.window == int(0.25 * 8 / 0.35 * (0.35 + made.limit.parts.delay_s))


def test_alone_what_gets_through_counts_before_the_statistics_tell_of_it():
    made = Deployment(allocations=8)
    made.look()
    made.work(60)
    made.allocations = 16
    made.work(6, looks=False)
    assert made.limit.parts.bound == "rate"
    assert made.limit.window == pytest.approx(16 / 0.35 * (0.35 + 0.5), rel=0.1)


def test_searches_do_not_make_our_inputs_look_short():
    made = Deployment(allocations=8)
    made.look()
    for _ in range(30):
        made.work(2, busy=0.925, looks=False)  # The rest of the time goes into 60 searches of 20 ms.
        made.inferences, made.worked_ms = made.inferences + 60, made.worked_ms + 60 * 20
        made.look()
    assert made.limit.window == pytest.approx(0.925 * 8 / 0.35 * (0.35 + made.limit.parts.delay_s), rel=0.15)


def test_a_tenant_with_most_of_the_work_does_not_make_our_inputs_look_long():
    made = Deployment(allocations=8)
    made.look()
    made.work(60, own=0.3, bulks_per_second=1)
    assert made.limit.parts.service_s == pytest.approx(0.7, rel=0.05)
    assert made.limit.window < 0.3 * 8 / 0.35 * (0.7 + 0.6)


def test_statistics_of_another_time_are_not_compared():
    made = Deployment(allocations=8)
    made.look()
    old = made.stats
    for _ in range(15):
        made.work(2, looks=False)
        made.limit.on_capacity(old, made.now)
    assert made.limit.parts.delay_s == 1.0
    assert made.limit.parts.service_s == 0.3


@pytest.mark.parametrize(("nodes", "delay"), [(1, 1.0), (2, 2.0), (8, 2.0)])
def test_several_nodes_begin_with_a_longer_wait_and_so_does_a_change_of_them(nodes, delay):
    made = Deployment(allocations=8, nodes=nodes)
    made.look()
    assert made.limit.parts.delay_s == delay
    made = Deployment(allocations=8, nodes=3)
    made.look()
    made.work(60)
    made.nodes = nodes
    made.work(2)
    assert made.limit.parts.delay_s == delay


@pytest.mark.parametrize(("nodes", "share", "most"), [(1, 1.0, 8), (2, 1.0, 16), (2, 0.5, 8)])
def test_never_more_than_half_of_the_queues(nodes, share, most):
    made = Deployment(allocations=64, nodes=nodes, queue=16, share=share)
    made.look()
    assert made.limit.window == most
    assert made.limit.parts.bound == "queue"


def test_headroom_leaves_allocations_idle_and_no_queue():
    made = Deployment(allocations=8, headroom=2)
    made.look()
    assert made.limit.window == 6
    made.work(60, busy=0.75)
    assert made.limit.window == 6
    made.allocations = 1
    made.look()
    assert made.limit.window == 1


def test_an_inference_that_takes_no_time_is_no_division_by_nothing():
    made = Deployment(allocations=2, service_s=0.005)
    made.look()
    made.limit.on_success(100, made.now + 1)
    made.inferences, made.now = 100, made.now + 2
    made.look()
    made.work(2)
    assert made.limit.window == 512
    assert made.limit.parts.bound == "queue"


def test_a_full_queue_cuts_and_what_gets_through_gives_back():
    made = Deployment(allocations=8)
    made.look()
    made.work(60)
    before = made.limit.window
    made.limit.on_overload(before, 1.0, made.now)
    assert made.limit.window == int(0.7 * before)
    made.work(60)
    assert made.limit.window == pytest.approx(before, rel=0.1)


def test_after_a_hold_the_old_rate_is_forgotten():
    made = Deployment(allocations=8)
    made.work(30, looks=False)
    made.limit.on_hold(made.now)
    made.now += 30
    made.limit.on_resume(made.now)
    assert made.limit.window == BLIND_WINDOW


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("success"), st.integers(0, 500)),
        st.tuples(st.just("overload"), st.integers(0, 2_000)),
        st.tuples(st.just("hold"), st.just(0)),
        st.tuples(st.just("resume"), st.just(0)),
        st.tuples(st.just("idle"), st.just(0)),
        st.tuples(
            st.just("capacity"),
            st.one_of(
                st.none(),
                st.builds(
                    Capacity,
                    st.just("started"),
                    st.integers(0, 64),
                    st.integers(0, 8),
                    st.integers(1, 4_096),
                    st.integers(0, 9),
                    st.integers(0, 9),
                    st.integers(0, 10**6),
                    st.one_of(st.none(), st.floats(0, 1e4)),
                    st.floats(0, 1e9),
                ),
            ),
        ),
    ),
    max_size=60,
)


@given(EVENTS, st.floats(0.01, 1.0))
def test_the_parts_explain_the_window(events, share):
    made, now = LittleLimit(1.0), 0.0
    made.set_share(share)
    for name, value in events:
        now += 0.7
        arguments = {"success": (value, now), "capacity": (value, now), "overload": (value, 1.0, now)}.get(name, (now,))
        getattr(made, f"on_{name}")(*arguments)
        parts = made.parts
        through = {"rate": parts.rate, "allocations": parts.possible}.get(parts.bound)
        if through is not None:
            assert made.window == max(1, int(through * (parts.service_s + parts.delay_s)))


@given(EVENTS, st.floats(0.01, 1.0), st.integers(0, 8))
def test_whatever_happens_the_window_is_bounded(events, share, headroom):
    made, now = LittleLimit(1.0, headroom), 0.0
    made.set_share(share)
    most = 512.0
    for name, value in events:
        now += 0.7
        arguments = {"success": (value, now), "capacity": (value, now), "overload": (value, 1.0, now)}.get(name, (now,))
        getattr(made, f"on_{name}")(*arguments)
        if name == "capacity" and value is not None and value.nodes:
            most = max(most, value.queue_capacity * value.nodes / 2)
        assert 1 <= made.window <= max(1, most)


def test_a_rate_is_told_after_some_answers_only():
    rate = Rate()
    for step in range(5):
        rate.done(10, step * 0.25)
    assert rate.per_second(1.25) == 0.0
    rate.done(10, 1.25)
    assert rate.per_second(1.25) == pytest.approx(40.0)


def test_the_short_span_counts_when_enough_got_through_in_it():
    rate = Rate()
    for step in range(60):
        rate.done(40, step * 0.25)
    for step in range(24):
        rate.done(10, 15.0 + step * 0.25)
    assert rate.per_second(20.75) == pytest.approx(40.0, rel=0.05)


def test_the_long_span_counts_when_the_short_one_tells_too_little():
    rate = Rate()
    for step in range(8):
        rate.done(30, step * 2.0)
    assert rate.per_second(14.0) == pytest.approx(15.0)
