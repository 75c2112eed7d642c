"""Credits: never more calls than the exchange's own bucket serves, and always some left to cancel with."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.adapters.deribit.credits import Credits, Limits, Rate, limits_shown
from optionwriter.ports import NotSentError
from tests.shared_data import shared

READ, ORDER, CANCEL = "private/get_positions", "private/sell", "private/cancel"
LOG, LISTING = "private/get_transaction_log", "public/get_instruments"


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def credits(self, limits: Limits | None = None, max_wait_s: float = 10.0) -> Credits:
        return Credits(lambda: self.now, self.sleep, limits or Limits(), max_wait_s)


# FACTS §5 in credits: cost, pool, refill a second. Written anew, so that the code is held against the document.
DOCUMENTED = {
    READ: (500, 50_000, 10_000),
    LISTING: (10_000, 500_000, 10_000),
    LOG: (10_000, 80_000, 10_000),
    ORDER: (1, 20, 5),
}


class Leaky:
    """The exchange's bucket."""

    def __init__(self, cost: int, pool: int, refill: int) -> None:
        self.cost, self.pool, self.refill = cost, pool, refill
        self.level, self.at = float(pool), 0.0

    def serves(self, now: float) -> bool:
        self.level = min(self.pool, self.level + (now - self.at) * self.refill)
        self.at = now
        if self.level < self.cost - 1e-6:
            return False
        self.level -= self.cost
        return True


@given(
    st.sampled_from(sorted(DOCUMENTED)),
    st.lists(st.floats(0, 3) | st.just(0.0), min_size=1, max_size=200),
)
def test_the_exchange_would_serve_every_call(method: str, pauses: list[float]) -> None:
    time = Time()
    credits, exchange = time.credits(max_wait_s=1e9), Leaky(*DOCUMENTED[method])
    for pause in pauses:
        time.now += pause
        credits.take(method)
        assert exchange.serves(time.now)
    assert sum(credits.spent.values()) == len(pauses)


@pytest.mark.parametrize(
    ("method", "at_once"), [(READ, 75), (LISTING, 50), (LOG, 8), (ORDER, 15), (CANCEL, 20)]
)
def test_the_burst_goes_out_without_waiting(method: str, at_once: int) -> None:
    """A quarter of the shared buckets is kept: 75 of 100 reads, 15 of 20 orders."""
    time = Time()
    credits = time.credits()
    for _ in range(at_once):
        credits.take(method)
    assert time.now == 0
    credits.take(method)
    assert time.now > 0


def test_what_orders_may_not_use_is_there_for_cancelling() -> None:
    time = Time()
    credits = time.credits(max_wait_s=0)
    for _ in range(15):
        credits.take(ORDER)
    with pytest.raises(NotSentError, match=r"private/sell would overrun .*5 trading calls a second"):
        credits.take(ORDER)
    for _ in range(5):
        credits.take(CANCEL)
    with pytest.raises(NotSentError):
        credits.take(CANCEL)
    for _ in range(75):
        credits.take(READ)
    with pytest.raises(NotSentError):
        credits.take(READ)
    for _ in range(25):
        credits.take("private/get_open_orders")
    assert time.now == 0


def test_a_wait_is_never_longer_than_the_limit_and_then_nothing_is_spent() -> None:
    time = Time()
    credits = time.credits(max_wait_s=2.0)
    for _ in range(10):
        credits.take(LOG)  # 8 at once, then one a second
    assert time.now == pytest.approx(2.0)
    credits.ran_dry(ORDER)
    before = dict(credits.spent)
    credits.take(CANCEL)
    assert time.now == pytest.approx(2.2)
    assert credits.spent == {**before, "trading": 1}
    credits.ran_dry(LOG)
    time.now += 0.5
    begun = time.now
    slow = time.credits(Limits(log=Rate(1, 0.1)), max_wait_s=2.0)
    slow.take(LOG)
    with pytest.raises(NotSentError, match=r"could be sent in 10\.0 s, the longest wait is 2 s"):
        slow.take(LOG)
    assert (time.now, slow.spent) == (begun, {"log": 1})


def test_10028_empties_the_bucket_it_was_about_and_no_other() -> None:
    time = Time()
    credits = time.credits()
    credits.ran_dry(READ)
    credits.take(ORDER)
    assert time.now == 0
    credits.take(READ)
    assert time.now == pytest.approx(26 / 20)  # one call above the quarter that is kept, at 20 a second


def test_control_methods_cost_nothing() -> None:
    time = Time()
    credits = time.credits()
    for _ in range(1_000):
        credits.take("local/advance")
    assert (time.now, credits.spent) == (0, {})


def test_a_clock_that_stands_still_while_sleeping_ends_in_an_error_not_in_a_loop() -> None:
    slept: list[float] = []
    credits = Credits(lambda: 0.0, slept.append, Limits(log=Rate(1, 1)), 10.0)
    credits.take(LOG)
    with pytest.raises(NotSentError):
        credits.take(LOG)
    assert sum(slept) <= 10


# -- limits that the account shows ------------------------------------------------------------------------------


@pytest.mark.shared
def test_the_limits_of_the_recorded_account_are_read() -> None:
    recorded = json.loads(shared("deribit/payloads/nautilus/http_get_account_summaries.json").read_bytes())
    limits = limits_shown(recorded["result"]["summaries"][0]["limits"])
    assert limits.ordinary == Rate(1500, 1000)
    assert limits.trading == Rate(250, 200)
    assert limits.cancel_all == Rate(250, 200)
    assert (limits.instruments, limits.log) == (Rate(50, 1), Rate(8, 1))


@pytest.mark.parametrize(
    "shown",
    [
        None,
        {},
        [],
        "x",
        {"non_matching_engine": None, "matching_engine": 5},
        {
            "non_matching_engine": {"burst": 0, "rate": 0},
            "matching_engine": {"trading": {"total": {"burst": "a"}}},
        },
        {"non_matching_engine": {"burst": -5, "rate": 10}},
        {"non_matching_engine": {"burst": 10}},
    ],
)
def test_limits_that_are_none_leave_the_lowest_tier(shown: object) -> None:
    assert limits_shown(shown) == Limits()


def test_learning_a_higher_limit_serves_more_and_a_lower_one_less() -> None:
    time = Time()
    credits = time.credits(max_wait_s=0)
    credits.learn(Limits(trading=Rate(100, 30)))
    for _ in range(75):
        credits.take(ORDER)
    credits.learn(Limits(trading=Rate(4, 1)))
    for _ in range(3):
        credits.take(ORDER)
    with pytest.raises(NotSentError):
        credits.take(ORDER)
