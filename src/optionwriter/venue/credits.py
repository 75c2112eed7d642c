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
    """Every payer's buckets; `seconds` only ever grows."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._left: dict[tuple[str, str], tuple[float, float]] = {}

    def spend(self, payer: str, method: str, has_currency: bool = False) -> bool:
        """Pays for one request; False when the bucket can't, and then nothing is taken."""
        if method.startswith("local/"):
            return True
        bucket = bucket_of(method, has_currency)
        rate, now = _RATES[bucket], self._seconds()
        left, at = self._left.get((payer, bucket), (float(rate.pool), now))
        left = min(float(rate.pool), left + (now - at) * rate.refill)
        paid = left >= rate.cost
        self._left[(payer, bucket)] = (left - rate.cost if paid else left, now)
        return paid
