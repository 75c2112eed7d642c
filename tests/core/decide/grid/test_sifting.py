"""What the loop passes over unread fails the rules, and what it reads by option is the grid's: against made-up markets.

The truth is the rules' own answer, asked of every row of every step.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from optionwriter.core.compiled import compiled_loop
from optionwriter.core.decide.grid.beside import Beside, beside, nowhere, place_of, stood_at
from optionwriter.core.decide.grid.columns import Quotes, Steps
from optionwriter.core.decide.grid.sifting import Scratch, anywhere, screened
from optionwriter.core.decide.grid.standing import Place
from optionwriter.core.decide.grid.tending import reach_of
from optionwriter.core.decide.grid.trails import HeldQuote, followed
from optionwriter.core.decide.rolling import Roll, RollParams, roll_gate
from optionwriter.core.decide.rules import PASSED, Candidate, GateParams, gate, trade_fee
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.instruments import MS_PER_DAY, product
from optionwriter.core.market.quotes import tick_grid

pytestmark = pytest.mark.slow
STEPS, FIRST_MS, HOUR_MS = 24, 1_700_000_000_000, 3_600_000


@compiled_loop
def opening(q: Quotes, kept: Beside, step: int, steps: Steps, gates: GateParams, found: Scratch) -> int:
    return screened(q, kept.bands, step, steps, gates, anywhere(), found)


@compiled_loop
def rolling(
    q: Quotes, kept: Beside, place: Place, step: int, steps: Steps, gates: GateParams, params: RollParams, cost: float,
    found: Scratch,
) -> int:  # fmt: skip
    return screened(q, kept.bands, step, steps, gates, reach_of(q, place, params, cost), found)


@compiled_loop
def quote_at(kept: Beside, option: int, step: int) -> HeldQuote:
    return followed(kept.trails, option, step)


@compiled_loop
def rows_of(q: Quotes, kept: Beside, option: int, out: I64) -> None:
    """The option's row at each step, as a run that holds it would find it."""
    was = nowhere()
    for step in range(len(out)):
        place = place_of(q, kept, step, option, was)
        was = stood_at(q, kept, step, option, place)
        out[step] = place.row


def market(code: str, is_call: bool, rng: np.random.Generator) -> tuple[Quotes, Steps]:
    """Two dozen steps; what is listed changes now and then, numbers are missing here and there."""
    own, grid = product(code), tick_grid(product(code))
    inverse = code == "BTC"
    index = rng.uniform(45_000, 55_000, STEPS)
    at_ms = FIRST_MS + HOUR_MS * np.arange(STEPS, dtype=np.int64)
    numbers: dict[tuple[int, float], int] = {}
    slices, sizes, rows = [0], [], []
    expiries, forwards = [], []
    listed: list[tuple[int, list[float]]] = []
    for step in range(STEPS):
        if step == 0 or rng.random() < 0.25:
            listed = []
            for day in sorted(rng.choice(30, rng.integers(1, 6), replace=False).tolist()):
                strikes = np.sort(rng.choice(40, rng.integers(1, 16), replace=False)) * 1_000.0 + 30_000.0
                listed.append((FIRST_MS + (int(day) + 2) * MS_PER_DAY, strikes.tolist()))
        for expiry, strikes in listed if step != 17 else []:
            count = len(strikes)
            expiries.append(expiry)
            forwards.append(float(index[step]) * rng.uniform(0.99, 1.02) if rng.random() > 0.05 else math.nan)
            sizes.append(count)
            delta = np.sort(rng.uniform(0, 1, count))[::-1]
            delta = np.where(
                rng.random(count) < 0.2, np.round(delta, 1), delta
            )  # on bounds and edges of bands
            if rng.random() < 0.8:
                delta = np.sort(delta)[::-1]
            if rng.random() < 0.15:
                delta[rng.integers(count)] = math.nan
            iv = rng.uniform(0.2, 0.8, count)
            iv[rng.random(count) < 0.05] = math.nan
            scale = grid.per_coin * (1.0 if inverse else 40_000.0)
            bid = np.rint(rng.uniform(0.0, 0.04, count) * scale * (rng.random(count) > 0.1))
            ask = np.rint((bid + 1) * rng.uniform(1.0, 1.5, count)) * (rng.random(count) > 0.1)
            for at, strike in enumerate(strikes):
                number = numbers.setdefault((expiry, strike), len(numbers))
                signed = delta[at] if is_call else delta[at] - 1.0
                rows.append(
                    (number, bid[at] / grid.per_coin, iv[at], signed, bid[at], ask[at], rng.uniform(0, 9))
                )
        slices.append(len(sizes))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    first_row = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    signed_delta = columns[3]
    in_order = np.array([
        bool(np.all(np.diff(part) <= 0) and not np.any(np.isnan(part)))
        for part in np.split(signed_delta, first_row[1:-1])
    ])  # fmt: skip
    quotes = Quotes(
        is_call=is_call, is_inverse=inverse, per_coin=grid.per_coin, fine=grid.fine, coarse=grid.coarse,
        turn=grid.turn, lot=float(own.amount_step), grain=1e8 if inverse else 1e6,
        strike=np.array([strike for _, strike in numbers]), expiry_ms=np.array([one for one, _ in numbers]),
        delivery=np.full(len(numbers), math.nan), delivery_rate=np.zeros(len(numbers)), index_usd=index,
        fresh=np.ones(STEPS, dtype=np.bool_), first_slice=np.array(slices, dtype=np.int64),
        slice_expiry=np.array(expiries, dtype=np.int64), forward=np.array(forwards), risk=np.zeros(len(expiries)),
        in_order=in_order, first_row=first_row, option=columns[0].astype(np.int32), mark=columns[1], iv=columns[2],
        delta=signed_delta, bid=columns[4].astype(np.int32), ask=columns[5].astype(np.int32),
        bid_lots=np.ones(len(rows), dtype=np.int32), ask_lots=np.ones(len(rows), dtype=np.int32),
        open_interest=columns[6],
    )  # fmt: skip
    return quotes, Steps(at_ms, np.ones(STEPS, dtype=np.bool_), index, rng.uniform(0.3, 0.6, STEPS))


def candidates(q: Quotes, step: int, steps: Steps) -> dict[int, tuple[int, Candidate]]:
    """By row its slice, and the row as the rules see it."""
    found = {}
    for one in range(q.first_slice[step], q.first_slice[step + 1]):
        for row in range(q.first_row[one], q.first_row[one + 1]):
            found[row] = one, Candidate(
                q.is_call, q.is_inverse, float(q.strike[q.option[row]]), float(q.forward[one]),
                float(q.index_usd[step]), float(q.slice_expiry[one] - steps.at_ms[step]) / MS_PER_DAY,
                float(q.iv[row]), float(steps.realised[step]), abs(float(q.delta[row])),
                q.bid[row] / q.per_coin if q.bid[row] > 0 else math.nan,
                q.ask[row] / q.per_coin if q.ask[row] > 0 else math.nan, math.nan, float(q.open_interest[row]),
            )  # fmt: skip
    return found


def gates_of(rng: np.random.Generator) -> GateParams:
    """Bounds that some rows pass, often exactly on what deltas are."""
    low = float(rng.choice([0.0, 0.05, 0.1, 0.2, rng.uniform(0, 0.4)]))
    return GateParams(
        dte_min=float(rng.uniform(0, 4)), dte_max=float(rng.uniform(8, 40)), delta_min=low,
        delta_max=low + float(rng.choice([0.1, 0.2, rng.uniform(0.05, 0.6)])), otm_min=-0.5, otm_max=0.5,
        ivrv_min=float(rng.choice([0.0, rng.uniform(0.5, 1.8)])),
        premium_min_usd=float(rng.choice([5.0, rng.uniform(0, 1_500)])), spread_max=float(rng.uniform(0.1, 0.5)),
        open_interest_min=float(rng.uniform(0, 3)), linear_spread_max=float(rng.uniform(0.1, 0.5)),
    )  # fmt: skip


def noted(count: int, found: Scratch) -> list[tuple[int, int]]:
    return list(zip(found.slice[:count].tolist(), found.row[:count].tolist(), strict=True))


def scratch() -> Scratch:
    return Scratch(np.empty(99), np.empty(99, dtype=np.int64), np.empty(99, dtype=np.int64))


SIDES = [("BTC", True), ("BTC", False), ("BTC_USDC", True), ("BTC_USDC", False)]


@pytest.mark.parametrize(("code", "is_call"), SIDES)
def test_no_row_that_passes_is_spared(code: str, is_call: bool) -> None:
    rng = np.random.default_rng([11, is_call, code == "BTC"])
    passed = rolled = refused = 0
    for _ in range(12):
        q, steps = market(code, is_call, rng)
        kept, found = beside(q), scratch()
        for step in range(STEPS):
            gates, rows = gates_of(rng), candidates(q, step, steps)
            wanted = [(one, row) for row, (one, each) in rows.items() if gate(each, gates).gate == PASSED]
            assert noted(opening(q, kept, step, steps, gates, found), found) == wanted
            passed += len(wanted)
            if not rows:
                continue
            held = int(rng.choice(list(rows)))
            place, (one, each) = Place(rows[held][0], held), rows[held]
            cost = float(rng.uniform(0.0, 0.05)) * (1.0 if q.is_inverse else each.index_price)
            params = RollParams(
                max_debit=float(rng.uniform(-0.01, 0.02)), credit_only=bool(rng.random() < 0.2),
                min_credit=float(rng.choice([0.0, 0.01])), min_extra_days=float(rng.choice([-40.0, 0.0, 1.0, 3.0])),
            )  # fmt: skip
            looked = noted(rolling(q, kept, place, step, steps, gates, params, cost, found), found)
            assert set(looked) <= set(wanted)
            allowed = [
                (other, row) for other, row in wanted
                if roll_gate(roll_into(q, one, other, rows[row][1], cost), params).gate == PASSED
            ]  # fmt: skip
            assert set(allowed) <= set(looked)
            rolled += len(allowed)
            refused += len(wanted) - len(looked)
    assert passed > 100
    assert rolled > 10
    assert refused > 40


def roll_into(q: Quotes, held: int, one: int, each: Candidate, cost: float) -> Roll:
    """A roll that only its expiry and its credit can forbid."""
    collateral = 1.0 if q.is_inverse else each.strike
    credit = (each.bid - trade_fee(q.is_inverse, each.index_price, each.bid) - cost) / collateral
    later = float(q.slice_expiry[one] - q.slice_expiry[held]) / MS_PER_DAY
    return Roll(q.is_call, each.strike, math.nan, each.days_to_expiry, later, credit, 0.0, math.nan)


@pytest.mark.parametrize(("code", "is_call"), SIDES[1:3])
def test_what_is_held_is_found_and_quoted_as_the_grid_has_it(code: str, is_call: bool) -> None:
    rng = np.random.default_rng([12, is_call])
    again = 0
    for _ in range(3):
        q, _ = market(code, is_call, rng)
        kept = beside(q)
        listing = kept.bands.listing
        wanted = np.full((len(q.strike), STEPS), -1, dtype=np.int64)
        for step in range(STEPS):
            for one in range(q.first_slice[step], q.first_slice[step + 1]):
                for row in range(q.first_row[one], q.first_row[one + 1]):
                    wanted[q.option[row], step] = row
                    assert same(quote_at(kept, int(q.option[row]), step), of_row(q, one, row))
        for option in range(len(q.strike)):
            mine = np.full(STEPS, -9, dtype=np.int64)
            rows_of(q, kept, option, mine)
            assert mine.tolist() == wanted[option].tolist()
            for step in np.flatnonzero(wanted[option] < 0).tolist():
                assert np.isnan(quote_at(kept, option, step)).all()
        assert np.isnan(quote_at(kept, -1, 3)).all()
        changes = np.flatnonzero(np.diff(listing)) + 1
        shown = [
            tuple(q.option[q.first_row[q.first_slice[s]] : q.first_row[q.first_slice[s + 1]]])
            for s in range(STEPS)
        ]
        for step in range(1, STEPS):
            assert (step in changes) == (shown[step] != shown[step - 1])
        again += STEPS - len(changes)
    assert again > 20


def of_row(q: Quotes, one: int, row: int) -> HeldQuote:
    """The definition of a trail's numbers."""
    forward, iv = q.forward[one], q.iv[row]
    known = forward > 0 and math.isfinite(forward) and iv > 0 and math.isfinite(iv)
    return HeldQuote(
        math.nan if math.isnan(forward) else float(q.mark[row]),
        float(iv),
        float(q.delta[row]) if known else math.nan,
        q.ask[row] / q.per_coin if q.ask[row] > 0 else math.nan,
    )


def same(mine: HeldQuote, its: HeldQuote) -> bool:
    columns: F64 = np.array([mine, its])
    return bool(np.array_equal(columns[0], columns[1], equal_nan=True))
