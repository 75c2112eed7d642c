"""What is listed at many instants is what a listing says at each of them."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest

from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, OptionType, option_name, product
from optionwriter.core.market.listing import EXCHANGE, Listing, Policy
from optionwriter.core.market.listing_over import ListedOver, listed_over
from optionwriter.core.market.listing_plain import plain_policy

BEGIN = 1_774_656_000_000  # 2026-03-28, the day after a quarter's end
EIGHT = 8 * MS_PER_HOUR


def spot_at(at_ms: int) -> float:
    """A price that wanders enough to list new strikes; none is known before the year's 40th day."""
    day = at_ms / MS_PER_DAY - 20_454
    return math.nan if day < 40 else 70_000.0 + 9_000.0 * math.sin(day / 5.0) + 150.0 * day


def names(found: ListedOver, code: str, block: int) -> tuple[str, ...]:
    spelt = []
    for series in range(found.first_series[block], found.first_series[block + 1]):
        for row in range(found.first_row[series], found.first_row[series + 1]):
            strike = found.option_strike[found.option[row]]
            assert float(strike) == found.strike[row]
            assert found.option_expiry_ms[found.option[row]] == found.expiry_ms[series]
            for kind in (OptionType.CALL, OptionType.PUT):
                spelt.append(option_name(code, int(found.expiry_ms[series]), strike, kind))
    return tuple(spelt)


@pytest.mark.parametrize(
    ("code", "policy"), [("BTC", EXCHANGE), ("ETH_USDC", EXCHANGE), ("BTC", plain_policy(6, 0.1, 0.02))]
)
def test_every_instant_has_the_options_of_its_own_listing(code: str, policy: Policy) -> None:
    """Around 08:00, when what expires goes and, 15 seconds later, what is new comes, and over some weeks."""
    around = [EIGHT - 1_000, EIGHT - 1, EIGHT, EIGHT + 14_999, EIGHT + 15_000, EIGHT + 60_000]
    later = [day * MS_PER_DAY + hour * MS_PER_HOUR for day in range(1, 40, 3) for hour in (3, 8, 17)]
    instants = BEGIN + np.array([0, *around, *later], dtype=np.int64)
    found = listed_over(product(code), spot_at, policy, instants)
    assert found.first_instant.tolist()[:5] == [0, 3, 5, 8, 9] and found.first_instant[-1] == len(instants)
    for block in range(len(found.first_instant) - 1):
        for at in instants[found.first_instant[block] : found.first_instant[block + 1]].tolist():
            listing = Listing(product(code), spot_at, policy)
            assert names(found, code, block) == listing.names(at)
    first = np.unique(found.option, return_index=True)[1]
    assert np.all(np.diff(first) > 0), "options are numbered as they appear"
    assert len(found.option_strike) == len(first) > 100


def test_where_no_price_is_known_nothing_is_listed() -> None:
    instants = BEGIN + MS_PER_DAY * np.arange(3, dtype=np.int64)
    found = listed_over(product("BTC"), lambda _: math.nan, EXCHANGE, instants)
    assert found.first_series.tolist() == [0] * len(found.first_instant) and not len(found.option)


def test_series_without_strikes_are_left_out() -> None:
    """An expiry that the policy gives no strikes on its first day."""
    days = [BEGIN + EIGHT + MS_PER_DAY * ahead for ahead in (2, 4)]

    def strikes(_product: object, expiry: int, day: int, _price: float) -> frozenset[Decimal]:
        return frozenset({Decimal(70_000)} if expiry == days[0] or day > BEGIN + EIGHT else ())

    policy = Policy(lambda *_: tuple(days), lambda *_: BEGIN + EIGHT, strikes)
    instants = np.array([BEGIN + EIGHT + 20_000, BEGIN + MS_PER_DAY + EIGHT + 20_000], dtype=np.int64)
    found = listed_over(product("BTC"), lambda _: 70_000.0, policy, instants)
    assert found.expiry_ms.tolist() == [days[0], *days] and found.option.tolist() == [0, 0, 1]
