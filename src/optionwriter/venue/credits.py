"""Credits: how many requests an account may make (FACTS §5).

Leaky buckets, one set an account: a request costs, the bucket refills with time, and what it can't pay is refused with
10028. The figures are those of the lowest tier. Anonymous requests share one set an address; their limit is not
published, so the account's figures are assumed. Control methods of the local exchange cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """What a request costs, what the bucket holds, what comes back each second."""

    cost: int
    pool: int
    refill: int


NON_MATCHING = Rate(500, 50_000, 10_000)
MATCHING = Rate(1, 20, 5)
CANCEL_ALL = Rate(1, 20, 5)  # a bucket of its own (FACTS §5), of the matching engine's size (assumed)
INSTRUMENTS = Rate(10_000, 500_000, 10_000)
TRANSACTION_LOG = Rate(10_000, 80_000, 10_000)

_MILLION = 1_000_000
_RATES: dict[str, Rate] = {
    "non_matching": NON_MATCHING,
    "matching": MATCHING,
    "cancel_all": CANCEL_ALL,
    "get_instruments": INSTRUMENTS,
    "get_transaction_log": TRANSACTION_LOG,
}

_MATCHING_METHODS = frozenset(
    f"private/{name}"
    for name in (
        "buy",
        "sell",
        "edit",
        "edit_by_label",
        "cancel",
        "cancel_by_label",
        "cancel_all_by_instrument",
        "cancel_all_by_currency",
        "cancel_all_by_kind_or_type",
        "close_position",
    )
)


def bucket_of(method: str, has_currency: bool) -> str:
    """Which bucket pays for a method."""
    name = method.partition("/")[2]
    if name in ("get_instruments", "get_transaction_log"):
        return name
    if name == "cancel_all" or (name == "cancel_by_label" and not has_currency):
        return "cancel_all"
    return "matching" if method in _MATCHING_METHODS else "non_matching"


class Credits:
    """Every payer's buckets. `now_us` are microseconds that only grow; credits are kept in millionths, exactly."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self._left: dict[tuple[str, str], tuple[int, int]] = {}

    def spend(self, payer: str, method: str, has_currency: bool = False) -> bool:
        """Pays for one request; False when the bucket can't, and then nothing is taken."""
        if method.startswith("local/"):
            return True
        bucket = bucket_of(method, has_currency)
        rate, now_us = _RATES[bucket], self._now_us()
        full = rate.pool * _MILLION
        left, at_us = self._left.get((payer, bucket), (full, now_us))
        left = min(full, left + (now_us - at_us) * rate.refill)
        cost = rate.cost * _MILLION
        self._left[(payer, bucket)] = (left - cost if left >= cost else left, now_us)
        return left >= cost
