"""Errors against marks, checked by hand and by brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionwriter.core.market.chain import F64, InstrumentTable, OptionChain
from optionwriter.core.market.instruments import MS_PER_DAY, product
from optionwriter.core.report.calibration import (
    DELTA_NAMES,
    TENOR_NAMES,
    ErrorSums,
    Marks,
    Multiplied,
    best_multiplier,
    least_price_error,
    marks_of,
    weighted_median,
)

EXPIRY_MS = 1_774_598_400_000  # 27 March 2026, 08:00 UTC
AT_MS = EXPIRY_MS - 30 * MS_PER_DAY
FORWARD, INDEX = 80_000.0, 79_500.0
STRIKES = (60_000, 66_000, 72_000, 78_000, 80_000, 82_000, 88_000, 96_000, 110_000)


def normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def black(forward: float, strike: float, years: float, iv: float, is_call: bool) -> float:
    """Written anew with erfc: what the errors are checked against."""
    d1 = math.log(forward / strike) / (iv * math.sqrt(years)) + 0.5 * iv * math.sqrt(years)
    call = forward * normal(d1) - strike * normal(d1 - iv * math.sqrt(years))
    return call if is_call else call - forward + strike


def chain(iv: F64, code: str = "BTC", at_ms: int = AT_MS) -> OptionChain:
    """Calls and puts of every strike, marked at `iv` (one a strike)."""
    names = tuple(f"{code}-27MAR26-{strike}-{kind}" for strike in STRIKES for kind in "CP")
    table = InstrumentTable.of(product(code), names)
    vol = np.repeat(iv, 2)
    years = (EXPIRY_MS - at_ms) / MS_PER_DAY / 365.0
    usd = [black(FORWARD, k, years, v, c) for k, v, c in zip(table.strike, vol, table.is_call, strict=True)]
    mark = np.array(usd) / FORWARD * (1.0 if code == "BTC" else INDEX)
    nothing = np.full(len(names), np.nan)
    return OptionChain(
        table, at_ms, INDEX, np.full(len(names), FORWARD), mark, vol, nothing, nothing, nothing, nothing,
        nothing, nothing,
    )  # fmt: skip


@pytest.mark.parametrize("code", ["BTC", "BTC_USDC"])
def test_errors_are_those_of_the_formula_in_each_unit(code: str) -> None:
    marks = marks_of(chain(np.full(len(STRIKES), 0.5), code))
    sums = ErrorSums()
    sums.add(marks, np.full(len(marks), 0.6))
    row = sums.overall()
    years = 30.0 / 365.0
    dearer = [
        black(FORWARD, k, years, 0.6, c) - black(FORWARD, k, years, 0.5, c)
        for k, c in zip(marks.strike, marks.is_call, strict=True)
    ]
    assert row.mae is not None and row.bias is not None and row.count == len(marks)
    price, usd, points = row.mae
    assert points == pytest.approx(10.0) and row.bias[2] == pytest.approx(10.0)
    # a coin is worth the index, not the forward, and a linear option is the inverse one at the index
    assert usd == pytest.approx(float(np.mean(dearer)) / FORWARD * INDEX, rel=1e-9)
    assert price == (pytest.approx(usd / INDEX, rel=1e-12) if code == "BTC" else usd)


def test_which_marks_count_and_where_they_fall() -> None:
    marks = marks_of(chain(np.full(len(STRIKES), 0.5)))
    years = 30.0 / 365.0
    for strike, is_call, row in zip(marks.strike, marks.is_call, marks.delta_rows(), strict=True):
        d1 = math.log(FORWARD / strike) / (0.5 * math.sqrt(years)) + 0.25 * math.sqrt(years)
        size = normal(d1) if is_call else normal(-d1)
        kind, _, reach = DELTA_NAMES[row].partition(" ")
        low, high = (float(one) for one in reach.split("-"))
        assert (kind == "call") == is_call and low <= size <= high
    assert {TENOR_NAMES[row] for row in marks.tenor_rows()} == {"22-60 d"}
    assert 110_000 not in marks.strike and len(marks) < 2 * len(STRIKES)  # delta of 0.02


def test_buckets_add_up_to_the_whole_and_unknown_volatility_is_left_out() -> None:
    marks = marks_of(chain(np.linspace(0.7, 0.5, len(STRIKES))))
    iv = np.linspace(0.4, 0.8, len(marks))
    iv[2] = np.nan
    sums = ErrorSums()
    sums.add(marks, iv)
    sums.add(marks, iv)
    whole = sums.overall()
    assert whole.count == 2 * (len(marks) - 1) and whole.mae is not None
    off = np.abs(iv - marks.iv)
    assert whole.mae[2] == pytest.approx(100.0 * np.nanmean(off))
    for rows in (sums.by_delta(), sums.by_tenor()):
        assert sum(one.count for one in rows) == whole.count
        total = sum(one.count * one.mae[1] for one in rows if one.mae is not None)
        assert total / whole.count == pytest.approx(whole.mae[1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.2, 3.0), st.floats(0.1, 2.0)), min_size=1, max_size=12))
def test_the_closed_form_is_not_beaten_by_any_multiplier_of_a_grid(pairs: list[tuple[float, float]]) -> None:
    iv, base = (np.array(column) for column in zip(*pairs, strict=True))
    grid = np.linspace(0.05, 31.0, 4_000)
    errors = np.abs(grid[:, None] * base - iv).sum(axis=1)
    found = weighted_median(iv / base, base)
    assert np.abs(found * base - iv).sum() <= errors.min() + 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_the_search_in_usd_meets_a_brute_force_grid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    marks = marks_of(chain(rng.uniform(0.3, 1.2, len(STRIKES))))
    seen = [Multiplied(marks, rng.uniform(0.3, 0.8, len(marks)))]

    def error(multiplier: float) -> float:
        return float(np.abs(marks.price(seen[0].base * multiplier) - marks.mark).sum())

    grid = np.linspace(0.2, 4.0, 3_000)
    assert error(least_price_error(seen)) <= min(error(float(one)) for one in grid) * (1.0 + 1e-4)


def test_the_best_multiplier_is_found_by_tenor() -> None:
    near = marks_of(chain(np.full(len(STRIKES), 0.65), at_ms=EXPIRY_MS - 5 * MS_PER_DAY))
    far = marks_of(chain(np.full(len(STRIKES), 0.4)))
    seen = [Multiplied(one, np.full(len(one), 0.5)) for one in (near, far)]
    by_tenor = {name: best_multiplier(seen, row) for row, name in enumerate(TENOR_NAMES)}
    assert by_tenor["2-8 d"].points == pytest.approx(1.3) and by_tenor["2-8 d"].usd == pytest.approx(
        1.3, abs=1e-4
    )
    assert by_tenor["22-60 d"].points == pytest.approx(0.8)
    assert by_tenor["over 180 d"].points is None
    assert best_multiplier([Multiplied(near, np.full(len(near), np.nan))]).usd is None


def test_a_mark_without_price_or_volatility_does_not_count() -> None:
    whole = chain(np.full(len(STRIKES), 0.5))
    whole.mark[8], whole.mark_iv[9] = 0.0, np.nan
    kept: Marks = marks_of(whole)
    assert len(kept) == len(marks_of(chain(np.full(len(STRIKES), 0.5)))) - 2
