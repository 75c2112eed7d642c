"""Ahead: what a sold leg comes to at many instants, from numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optionwriter.core.decide.managing import ManageParams
from optionwriter.core.decide.rolling import RollParams
from optionwriter.core.decide.rules import GateParams
from optionwriter.core.decide.scoring import ScoreParams
from optionwriter.core.decide.strategies.ahead import (
    ASKS,
    SEARCHES,
    WAITS,
    LegOver,
    Times,
    allocation_penalty,
    judge_leg,
    roll_asks,
    rows_for_roll,
    rows_for_slot,
    slot_asks,
)
from optionwriter.core.decide.strategies.base import Rolls, Sought, Style, Watched
from optionwriter.core.market.chain import InstrumentTable, RowsOver
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, parse_instrument

START = 20_458 * MS_PER_DAY  # 2026-01-05
HELD = parse_instrument("BTC-16JAN26-100000-C")
GATES = GateParams(delta_min=0.0, delta_max=1.0, ivrv_min=0.0)
NAN = math.nan


def watched(roll: RollParams | None = None, last_roll_ms: int | None = None, bound: float = NAN) -> Watched:
    rolls = Rolls(GATES, roll or RollParams(), bound, last_roll_ms)
    return Watched(HELD, 0.02, ManageParams(), Style.CROSS, rolls)


def rows_of(names: tuple[str, ...], quotes: list[tuple[float, float, float, float]]) -> RowsOver:
    """`quotes`: forward, iv, bid, ask of every name, the same at each of as many instants as there are tuples."""
    count, width = len(quotes), len(names)
    columns = [np.repeat(np.array(column)[:, None], width, axis=1) for column in zip(*quotes, strict=True)]
    forward, iv, bid, ask = columns
    at_ms = START + MS_PER_HOUR * np.arange(count, dtype=np.int64)
    table = InstrumentTable.of(HELD.product, names)
    return RowsOver(table, at_ms, forward[:, 0], forward, bid, iv, bid, ask, np.full((count, width), 100.0))


def times_of(rows: RowsOver) -> Times:
    return Times(rows.at_ms, rows.index_price, np.full(len(rows.at_ms), 0.5))


def judged(leg: Watched, *quotes: tuple[float, float, float, float]) -> list[int]:
    rows = rows_of((HELD.name,), list(quotes))
    return judge_leg(leg, times_of(rows), rows).code.tolist()


FAR = (80_000.0, 0.5, 0.0150, 0.0160)  # far out of the money, little of the premium earned
EARNED = (80_000.0, 0.5, 0.0010, 0.0015)  # 0.0015 + 0.0001875 of 0.02: more than 80 % are earned
PASSED = (105_000.0, 0.5, 0.0800, 0.0820)  # 5 % in the money, its delta above a half
DEEP = (120_000.0, 0.5, 0.1700, 0.1720)  # the strike passed by 16.7 %


def test_a_leg_is_left_alone_asked_about_or_searched_for() -> None:
    assert judged(watched(), FAR, EARNED, PASSED, DEEP) == [WAITS, ASKS, SEARCHES, ASKS]


def test_what_can_not_be_bought_back_waits_and_what_is_not_marked_is_asked_about() -> None:
    forward, iv, bid, _ = PASSED
    assert judged(watched(), (forward, iv, bid, NAN), (forward, NAN, bid, 0.082)) == [WAITS, ASKS]
    assert judged(watched(), (NAN, iv, bid, 0.082)) == [ASKS]


@pytest.mark.parametrize(
    ("roll", "last_roll_ms", "expected"),
    [
        (RollParams(close_only=True), None, ASKS),
        (RollParams(close_if_unable=True), None, ASKS),
        (
            RollParams(close_if_unable=True),
            START - 11 * MS_PER_HOUR,
            SEARCHES,
        ),  # within the cooldown of 12 hours
        (RollParams(close_if_unable=True), START - 12 * MS_PER_HOUR, ASKS),
        (RollParams(close_itm=0.05), None, SEARCHES),  # 100000 / 105000 - 1 is -4.76 %
        (RollParams(close_itm=0.047), None, ASKS),
    ],
)
def test_a_defence_that_would_close_is_asked_about(
    roll: RollParams, last_roll_ms: int | None, expected: int
) -> None:
    assert judged(watched(roll, last_roll_ms), PASSED) == [expected]


LATER = ("BTC-30JAN26-100000-C", "BTC-30JAN26-108000-C", "BTC-30JAN26-108000-P", "BTC-9JAN26-108000-C")


def rolls_at(leg: Watched, bid: float, ask: float) -> bool:
    """Whether the leg, quoted as PASSED, may be rolled into one of LATER that might do."""
    held = rows_of((HELD.name,), [PASSED])
    table, times = InstrumentTable.of(HELD.product, LATER), times_of(held)
    chosen = rows_for_roll(leg, table, times)
    names = tuple(LATER[row] for row in chosen.tolist())
    if not names:
        return False
    over = judge_leg(leg, times, held)
    rows = rows_of(names, [(105_000.0, 0.5, bid, ask)])
    return bool(roll_asks(over, np.arange(1), times, rows)[0])


def test_a_roll_goes_to_a_later_expiry_out_of_the_money_and_no_lower_strike() -> None:
    table, times = InstrumentTable.of(HELD.product, LATER), times_of(rows_of((HELD.name,), [PASSED]))
    assert [LATER[row] for row in rows_for_roll(watched(), table, times)] == ["BTC-30JAN26-108000-C"]
    assert not len(rows_for_roll(watched(bound=108_001.0), table, times))
    wide = watched()._replace(rolls=Rolls(GATES._replace(otm_min=-1.0), RollParams(), 100_000.0, None))
    assert len(rows_for_roll(wide, table, times)) == 2


def test_a_roll_may_cost_a_hundredth_and_no_more() -> None:
    # Bought back at 0.082, both fees 0.0003: sold at 0.0726 the roll costs exactly a hundredth, a tick less more.
    assert rolls_at(watched(), 0.0730, 0.0740)
    assert not rolls_at(watched(), 0.0725, 0.0740)
    assert rolls_at(watched(RollParams(max_debit=0.011)), 0.0725, 0.0740)
    assert not rolls_at(watched(RollParams(credit_only=True)), 0.0826 - 0.0001, 0.0840)
    assert rolls_at(watched(RollParams(credit_only=True)), 0.0827, 0.0840)


def test_a_cooldown_holds_a_roll_back() -> None:
    assert not rolls_at(watched(last_roll_ms=START - 11 * MS_PER_HOUR), 0.0730, 0.0740)
    assert rolls_at(watched(last_roll_ms=START - 12 * MS_PER_HOUR), 0.0730, 0.0740)


def test_both_quotes_must_not_be_too_wide_together() -> None:
    # (0.002 + 0.018) / (0.081 + 0.082) is 12.3 %
    assert not rolls_at(watched(RollParams(max_spread=0.12)), 0.0730, 0.0910)
    assert rolls_at(watched(RollParams(max_spread=0.125)), 0.0730, 0.0910)


def test_a_slot_asks_where_an_option_passes_with_the_score_that_it_takes() -> None:
    good, unquoted, poor = (
        (105_000.0, 0.5, 0.0400, 0.0410),
        (105_000.0, 0.5, NAN, 0.0410),
        (105_000.0, 0.5, 0.0001, 0.0410),
    )
    near = parse_instrument("BTC-9JAN26-108000-C")
    slot = Sought(near.product, True, GATES, ScoreParams(), -math.inf, NAN)
    rows = rows_of((near.name,), [good, unquoted, poor])
    found = slot_asks(slot, times_of(rows), rows, np.full(3, NAN))
    assert found.tolist() == [True, False, False]
    best = Sought(near.product, True, GATES, ScoreParams(), 1.0, NAN)  # no merits add up to 1
    assert not slot_asks(best, times_of(rows), rows, np.full(3, NAN)).any()


def test_rows_for_a_slot_are_of_its_kind_and_within_its_days() -> None:
    slot = Sought(HELD.product, True, GATES, ScoreParams(), 0.0, NAN)
    table, times = InstrumentTable.of(HELD.product, LATER), times_of(rows_of((HELD.name,), [PASSED]))
    assert [LATER[row] for row in rows_for_slot(slot, table, times)] == [
        "BTC-30JAN26-108000-C",
        "BTC-9JAN26-108000-C",
    ]
    soon = slot._replace(gates=GATES._replace(dte_max=10.0))
    assert [LATER[row] for row in rows_for_slot(soon, table, times)] == ["BTC-9JAN26-108000-C"]


def test_the_coins_share_past_its_target_lowers_a_puts_score() -> None:
    weights = ScoreParams(allocation_weight=0.2, allocation_scale=0.2)
    assert allocation_penalty(0.8, 0.7, weights) == pytest.approx(-0.1)
    assert allocation_penalty(0.95, 0.7, weights) == pytest.approx(-0.2)
    assert allocation_penalty(0.6, 0.7, weights) == allocation_penalty(NAN, 0.7, weights) == 0.0


def test_legs_over_many_instants_are_those_of_each() -> None:
    rows = rows_of((HELD.name,), [FAR, EARNED, PASSED, DEEP])
    found: LegOver = judge_leg(watched(), times_of(rows), rows)
    assert found.urgent.tolist() == [False, False, False, True]
