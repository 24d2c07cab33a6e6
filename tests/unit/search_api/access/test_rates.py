"""Limits of accounts, in a time of the tests' own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_api.access import rates
from search_api.access.principal import Principal
from search_api.access.rates import Rates
from search_api.access.settings import RateSettings
from search_api.errors import TooManyRequests
from tests.unit.search_api.fakes import FakeClock


def caller(account="shop", **limits):
    return Principal(account, limits=RateSettings(**limits), account=account)


def asked(made, who):
    try:
        with made.running(who):
            return True
    except TooManyRequests:
        return False


@given(
    st.floats(0.1, 50),
    st.none() | st.integers(1, 20),
    st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_never_more_than_the_burst_and_the_rate(per_second, burst, pauses):
    clock = FakeClock()
    made, who = Rates(clock), caller(per_second=per_second, burst=burst)
    passed = 0
    began = clock.now
    for pause in pauses:
        clock.now += pause
        passed += asked(made, who)
        size = burst or max(1.0, per_second)
        assert passed <= size + (clock.now - began) * per_second + 1e-6


@given(st.floats(0.1, 50), st.integers(1, 5))
def test_who_waits_as_long_as_told_is_let_in(per_second, burst):
    clock = FakeClock()
    made, who = Rates(clock), caller(per_second=per_second, burst=burst)
    while asked(made, who):
        pass
    with pytest.raises(TooManyRequests) as caught:
        made.charge(who)
    clock.now += caught.value.retry_after_s
    assert asked(made, who)


def test_several_searches_of_one_request_count_as_such():
    clock = FakeClock()
    made, who = Rates(clock), caller(per_second=2, burst=4)
    made.charge(who, 3)
    with pytest.raises(TooManyRequests):
        made.charge(who, 2)
    made.charge(who, 1)
    clock.now += 2
    made.charge(who, 100)
    with pytest.raises(TooManyRequests) as caught:
        made.charge(who)
    assert caught.value.retry_after_s == 49


def test_what_fails_gives_its_place_back():
    made, who = Rates(FakeClock()), caller(concurrent=1)
    with pytest.raises(ZeroDivisionError), made.running(who):
        _ = 1 / 0
    assert asked(made, who)


def test_accounts_do_not_touch_each_other():
    made = Rates(FakeClock())
    assert [asked(made, caller(name, per_second=1)) for name in ("a", "b", "a", "b")] == [True, True, False, False]


def test_quiet_accounts_are_forgotten_and_busy_ones_are_not(monkeypatch):
    monkeypatch.setattr(rates, "ACCOUNTS", 2)
    made = Rates(FakeClock())
    with made.running(caller("a", concurrent=1)):
        for name in ("b", "c", "d"):
            assert asked(made, caller(name))
        assert not asked(made, caller("a", concurrent=1))


def test_a_key_without_limits_of_its_own_has_the_common_ones():
    own, common = RateSettings(burst=5), RateSettings(per_second=1, burst=2, concurrent=3)
    assert own.over(common) == RateSettings(per_second=1, burst=5, concurrent=3)
