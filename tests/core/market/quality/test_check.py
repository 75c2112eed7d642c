"""A faultless day passes with nothing to say; a day with one fault is told that fault, as bad as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.instruments import MS_PER_HOUR
from optionwriter.core.market.quality import ChainDay, Severity, Told, Verdict, check_day, snapshots_of
from tests.core.market.quality.made import AROUND, DAY_MS, made_day, taken

GOOD = made_day()
LINEAR = made_day("BTC_USDC", 4, discount=0.045)


def found(day: ChainDay) -> dict[str, Severity]:
    return {one.name: one.severity for one in check_day(day, AROUND).findings}


def count(day: ChainDay, name: str) -> int:
    return next(one.count for one in check_day(day, AROUND).findings if one.name == name)


def test_a_faultless_day_passes_and_only_its_empty_quotes_are_noted() -> None:
    quality = check_day(GOOD, AROUND)
    assert {one.name for one in quality.findings} <= {"one-sided quotes", "mark of zero"}
    assert (quality.verdict, quality.score, quality.snapshots) == (Verdict.PASS, 100, 12)
    assert quality.measures["own_price_error_p99"] < 1e-8


def crossed(day: ChainDay) -> ChainDay:
    bid, ask = day.bid.copy(), day.ask.copy()
    bid[::20], ask[::20] = day.ask[::20], day.bid[::20]
    return replace(day, bid=bid, ask=ask)


def frozen(day: ChainDay) -> ChainDay:
    """From the fourth snapshot on nothing but the forward moves."""
    columns = {name: getattr(day, name).copy() for name in ("mark", "iv", "bid", "ask")}
    for number in range(4, 12):
        here, before = np.flatnonzero(day.snapshot == number), np.flatnonzero(day.snapshot == number - 1)
        place = {int(day.option[row]): row for row in before}
        for row in here:
            old = place.get(int(day.option[row]))
            if old is not None:
                for column in columns.values():
                    column[row] = column[old]
    return replace(day, **columns)


def repeated(day: ChainDay) -> ChainDay:
    """Every other snapshot is the one before it under another time."""
    columns = {name: getattr(day, name).copy() for name in ("forward", "mark", "iv", "bid", "ask")}
    for number in range(1, 12, 2):
        here, before = np.flatnonzero(day.snapshot == number), np.flatnonzero(day.snapshot == number - 1)
        place = {int(day.option[row]): row for row in before}
        for row in here:
            for column in columns.values():
                column[row] = (
                    column[place[int(day.option[row])]] if int(day.option[row]) in place else column[row]
                )
    return replace(day, **columns)


def bent(day: ChainDay) -> ChainDay:
    """Every fifth strike's marks are 1 % of the forward too high, call and put alike."""
    odd = (day.strike / 4_000) % 5 == 0
    return replace(day, mark=day.mark + np.where(odd, 0.01, 0.0))


def sold_for_nothing(day: ChainDay) -> ChainDay:
    """Every fifth strike is bid and asked 2 % of the forward higher."""
    odd = np.where((day.strike / 4_000) % 5 == 0, 0.02, 0.0)
    return replace(day, bid=day.bid + odd, ask=day.ask + odd, mark=day.mark + odd)


def falling(day: ChainDay) -> ChainDay:
    """Each expiry's volatility falls faster than its time grows; marks with it."""
    iv = 3.0 * (day.years / day.years.min()) ** -0.52
    return repriced(replace(day, iv=iv))


def repriced(day: ChainDay) -> ChainDay:
    usd, _ = price_delta(day.forward, day.strike, day.years, day.iv, day.is_call)
    return replace(day, mark=usd / day.scale, bid=np.full(len(day), np.nan), ask=np.full(len(day), np.nan))


BROKEN: dict[str, tuple[Callable[[ChainDay], ChainDay], Severity]] = {
    "crossed quotes": (crossed, Severity.FAULT),
    "stale quotes": (frozen, Severity.FAULT),
    "repeated snapshots": (repeated, Severity.FAULT),
    "strike arbitrage": (bent, Severity.FAULT),
    "quote arbitrage": (sold_for_nothing, Severity.FAULT),
    "calendar arbitrage": (falling, Severity.FAULT),
    "parity breaks": (lambda day: replace(day, forward=day.forward * 1.003), Severity.FAULT),
    "iv does not price": (lambda day: replace(day, iv=day.iv + 0.03), Severity.FAULT),
    "wrong units": (lambda day: replace(day, iv=day.iv / 100), Severity.FAULT),
    "not utc": (
        lambda day: replace(day, at_ms=day.at_ms - 5 * MS_PER_HOUR, day_ms=DAY_MS - 5 * MS_PER_HOUR),
        Severity.FAULT,
    ),
    "gaps": (lambda day: taken(day, (day.snapshot < 2) | (day.snapshot > 10)), Severity.WARNING),
    "torn snapshots": (lambda day: taken(day, (day.snapshot != 5) | (day.option % 3 == 0)), Severity.WARNING),
    "duplicates": (lambda day: taken(day, np.sort(np.r_[: len(day), : len(day) : 5])), Severity.FAULT),
    "missing expiries": (
        lambda day: taken(day, day.expiry_ms != np.unique(day.expiry_ms)[-1]),
        Severity.NOTE,
    ),
    "rows without price": (
        lambda day: replace(day, mark=np.where(day.option % 7 == 0, np.nan, day.mark)),
        Severity.WARNING,
    ),
    "no price columns": (lambda day: replace(day, iv=np.full(len(day), np.nan)), Severity.FAULT),
    "zero for no quote": (lambda day: replace(day, bid=np.nan_to_num(day.bid)), Severity.NOTE),
    "no quotes": (lambda day: replace(day, bid=day.bid * np.nan, ask=day.ask * np.nan), Severity.WARNING),
    "mark outside quotes": (lambda day: replace(day, mark=day.mark * 1.6), Severity.FAULT),
    "extreme volatility": (
        lambda day: replace(day, iv=np.where(day.option % 9 == 0, 4.0, day.iv)),
        Severity.WARNING,
    ),
    "expired options": (
        lambda day: replace(day, expiry_ms=np.where(day.option % 9 == 0, DAY_MS, day.expiry_ms)),
        Severity.FAULT,
    ),
    "time without zone": (lambda day: replace(day, told=Told(has_zone=False)), Severity.NOTE),
    "null columns": (lambda day: replace(day, told=Told(null={"bid_iv": 1.0, "strike": 0.4})), Severity.NOTE),
    "null parsed fields": (lambda day: replace(day, told=Told(parsed_null=9)), Severity.NOTE),
    "wrong parsed fields": (lambda day: replace(day, told=Told(parsed_wrong=len(day))), Severity.FAULT),
    "unreadable names": (lambda day: replace(day, told=Told(unreadable=100)), Severity.WARNING),
    "rows over seconds": (
        lambda day: replace(day, at_ms=np.sort(day.at_ms + np.arange(len(day)) % 30 * 100)),
        Severity.NOTE,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_one_fault_is_told_as_bad_as_it_is(name: str) -> None:
    spoil, severity = BROKEN[name]
    seen = found(spoil(GOOD))
    assert seen.get(name) is severity, seen


def test_units_and_zone_are_named_and_nothing_else_is_blamed() -> None:
    usd = check_day(replace(GOOD, mark=GOOD.mark * GOOD.forward), AROUND)
    worst = usd.findings[0]
    assert (worst.name, worst.example) == ("wrong units", "prices are in USD, not in coin")
    percent = check_day(replace(GOOD, iv=GOOD.iv * 100), AROUND)
    assert percent.findings[0].example == "volatilities are percent, not fractions"
    assert "iv does not price" not in {one.name for one in percent.findings}
    west = replace(GOOD, at_ms=GOOD.at_ms - 5 * MS_PER_HOUR)
    told = {one.name: one.example for one in check_day(west, AROUND).findings}
    assert "5.0 h later" in told["not utc"]
    assert percent.verdict is usd.verdict is Verdict.FAIL and usd.score == percent.score == 0


def test_counts_are_exact() -> None:
    assert count(crossed(GOOD), "crossed quotes") == int(
        (~np.isnan(GOOD.bid[::20]) & (GOOD.ask[::20] > GOOD.bid[::20])).sum()
    )
    doubled = taken(GOOD, np.sort(np.r_[: len(GOOD), 3, 3, 40]))
    assert count(doubled, "duplicates") == 3
    gone = taken(GOOD, (GOOD.snapshot != 3) & (GOOD.snapshot != 4) & (GOOD.snapshot != 8))
    assert count(gone, "gaps") == 3
    last = np.unique(GOOD.expiry_ms)[-1]
    assert count(taken(GOOD, GOOD.expiry_ms != last), "missing expiries") == 12


def test_a_discount_of_linear_marks_is_measured_and_not_blamed() -> None:
    quality = check_day(LINEAR, AROUND)
    assert quality.measures["discount_rate"] == pytest.approx(0.045, abs=1e-4)
    assert {"parity breaks", "iv does not price"}.isdisjoint(one.name for one in quality.findings)
    assert "parity breaks" in found(replace(LINEAR, mark=LINEAR.mark * np.where(LINEAR.is_call, 1.0, 1.1)))


def test_linear_quotes_that_stand_still_with_their_forward_are_not_stale() -> None:
    """Each minute's snapshot is the first one again, its forwards a millionth higher: no fair price left a spread."""
    first = {int(LINEAR.option[row]): row for row in np.flatnonzero(LINEAR.snapshot == 0)}
    rows = np.array([first[int(option)] for option in LINEAR.option])
    columns = {name: getattr(LINEAR, name)[rows] for name in ("forward", "mark", "iv", "bid", "ask")}
    columns["forward"] = columns["forward"] * (1.0 + 1e-6 * LINEAR.snapshot)
    columns["at_ms"] = LINEAR.at_ms.min() + 60_000 * LINEAR.snapshot
    still = replace(LINEAR, **columns)
    assert "stale quotes" not in found(still)
    moved = replace(still, forward=still.forward * (1.0 + 0.02 * LINEAR.snapshot))
    assert "stale quotes" in found(moved)


def test_snapshots_are_parted_by_pauses() -> None:
    assert snapshots_of(np.array([0, 9_000, 18_000, 29_000, 29_001])).tolist() == [0, 0, 0, 1, 1]
    assert snapshots_of(np.zeros(0, dtype=np.int64)).tolist() == []
