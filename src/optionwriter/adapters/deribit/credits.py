"""Credits: what the exchange lets an account ask (FACTS §5), counted here before it is counted there.

The exchange keeps a leaking bucket for each kind of call and answers 10028, closing the session, when one is empty. The
same buckets are kept here, in calls rather than credits (500 credits are one ordinary call). Rules: a call that would
not be served waits until it would, but never longer than a limit: then it is not sent at all; the last part of a
bucket is kept for calls that take risk away (cancelling, and seeing what there is to cancel).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from optionwriter.ports import NotSentError

CREDITS_A_CALL = 500
KEPT = 0.25  # of a bucket, for the calls below

# The calls that a kill switch needs; they may empty their bucket.
ESSENTIAL = frozenset(
    {
        "private/cancel",
        "private/cancel_by_label",
        "private/cancel_all",
        "private/cancel_all_by_currency",
        "private/cancel_all_by_instrument",
        "private/get_open_orders",
        "private/get_open_orders_by_currency",
        "private/get_open_orders_by_label",
        "private/get_order_state",
        "private/get_order_state_by_label",
        "public/auth",
    }
)
_TRADING = frozenset({"private/buy", "private/sell", "private/edit", "private/close_position"})


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket that holds `burst` calls and gains `per_second`."""

    burst: float
    per_second: float

    def __post_init__(self) -> None:
        if not (self.burst >= 1 and 0 < self.per_second < float("inf")):
            raise ValueError(
                f"a rate of {self.per_second} calls a second, burst {self.burst}, serves no call"
            )


@dataclass(frozen=True, slots=True)
class Limits:
    """The buckets of one account. The defaults are those of the lowest tier; the bucket of cancel_all is assumed to be
    like the one for orders until the account says its own."""

    ordinary: Rate = Rate(100, 20)
    trading: Rate = Rate(20, 5)
    cancel_all: Rate = Rate(20, 5)
    instruments: Rate = Rate(50, 1)
    log: Rate = Rate(8, 1)

    def bucket(self, method: str) -> str:
        """The bucket a method draws on. The special ones are assumed to be of their own, not drawn twice."""
        if method == "private/cancel_all":
            return "cancel_all"
        if method in _TRADING or method.startswith("private/cancel"):
            return "trading"
        special = {"public/get_instruments": "instruments", "private/get_transaction_log": "log"}
        return special.get(method, "ordinary")


LOWEST_TIER = Limits()


class Credits:
    """Counts the calls of one account. `spent` is by bucket, in calls."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        limits: Limits = LOWEST_TIER,
        max_wait_s: float = 10.0,
    ) -> None:
        """`monotonic` runs as the exchange's time does, in seconds; `sleep` waits seconds of it."""
        self._monotonic = monotonic
        self._sleep = sleep
        self._max_wait_s = max_wait_s
        self.limits = limits
        self.spent: dict[str, int] = {}
        self._levels: dict[str, tuple[float, float]] = {}  # bucket -> calls left at an instant

    def take(self, method: str) -> None:
        """Waits until the exchange would serve `method`. Raises NotSentError when that is too far off."""
        if method.startswith("local/"):  # control methods cost nothing
            return
        bucket = self.limits.bucket(method)
        rate = self._rate(bucket)
        shared = bucket in ("ordinary", "trading") and method not in ESSENTIAL
        wanted = 1.0 + (int(rate.burst * KEPT) if shared else 0)
        waited = 0.0
        while (level := self._level(bucket)) < wanted - 1e-9:
            wait = (wanted - level) / rate.per_second
            if waited + wait > self._max_wait_s:
                raise NotSentError(
                    f"{method} would overrun the exchange's rate limit ({rate.per_second:g} {bucket} calls a second): "
                    f"it could be sent in {wait:.1f} s, the longest wait is {self._max_wait_s:g} s"
                )
            self._sleep(wait)
            waited += wait
        self._levels[bucket] = (level - 1.0, self._monotonic())
        self.spent[bucket] = self.spent.get(bucket, 0) + 1

    def ran_dry(self, method: str) -> None:
        """The exchange said 10028: its bucket is empty, whatever was counted here."""
        self._levels[self.limits.bucket(method)] = (0.0, self._monotonic())

    def learn(self, limits: Limits) -> None:
        """Goes on with the limits that the account shows."""
        self.limits = limits

    def _rate(self, bucket: str) -> Rate:
        rate = getattr(self.limits, bucket)
        assert isinstance(rate, Rate)
        return rate

    def _level(self, bucket: str) -> float:
        """Calls left now."""
        rate, now = self._rate(bucket), self._monotonic()
        level, at = self._levels.get(bucket, (rate.burst, now))
        return min(rate.burst, level + max(0.0, now - at) * rate.per_second)


class _WireRate(msgspec.Struct):
    burst: float
    rate: float


def limits_shown(shown: Any) -> Limits:
    """The limits in an extended account summary (`limits`, decoded); the default for what it doesn't show.

    The account's numbers are calls: 20 a second with a burst of 100 is what 10,000 credits a second and a pool of
    50,000 serve (assumed).
    """

    def read(*path: str) -> Rate | None:
        value = shown
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        try:
            rate = msgspec.convert(value, _WireRate)
            return Rate(rate.burst, rate.rate)
        except (msgspec.ValidationError, ValueError):
            return None

    base = LOWEST_TIER
    return Limits(
        ordinary=read("non_matching_engine") or base.ordinary,
        trading=read("matching_engine", "trading", "total") or base.trading,
        cancel_all=read("matching_engine", "cancel_all") or base.cancel_all,
    )
