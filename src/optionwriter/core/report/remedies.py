"""Remedies: the smallest single change that would have put an option on the menu, found by asking the rules again.

Pure over a decision's record and its candidates. Rules:

- a change is one bound of the strategy, or one number of the market, everything else as it was; it counts only when the
  very gates that trade then pass the candidate
- changes are compared by their share: of a bound's own size (or its range) as the gates measure it, of the number
- candidates that passed every rule and were not built (no slot, no cover) need no other number: they are counted apart
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from optionwriter.core.books.fees import CAP_DIVISOR
from optionwriter.core.decide.menu import GATE_CODE, GATES
from optionwriter.core.decide.rules import (
    DATA,
    DELTA,
    DTE,
    FEE_RATE,
    IVRV,
    LIQUIDITY,
    OTM,
    PASSED,
    PREMIUM,
    SPREAD,
    Candidate,
    GateParams,
    coin_in_usd,
    gate,
)
from optionwriter.core.market.black76 import price_delta_one
from optionwriter.core.market.instruments import Family, parse_instrument

Row = Mapping[str, Any]
SETTING = {  # bounds that a setting puts over every instance's
    "ivrv_min": "IVRV_MIN",
    "delta_min": "DELTA_MIN",
    "delta_max": "DELTA_MAX",
    "dte_min": "DTE_MIN",
    "dte_max": "DTE_MAX",
    "premium_min_usd": "PREMIUM_MIN_USD",
}
_BUILT = tuple(GATES[GATE_CODE["taken"] :])
_HAIR = 1e-9  # a market number is moved this much past its bound, so that rounding does not undo it


class Change(NamedTuple):
    """One number that would have to be another. `share` is how much of it, never negative."""

    kind: str  # bound or market
    name: str
    value: float
    wanted: float
    share: float


class Remedy(NamedTuple):
    """The change that puts an instrument on the menu."""

    instrument: str
    gate: str
    change: Change


def remedies(record: Row, rows: Sequence[Row], most: int = 3) -> list[Remedy]:
    """The smallest single changes, smallest first, each of another instrument; none where no single one is enough."""
    gates = record.get("choice", {}).get("gates")
    if not gates:
        return []
    params = GateParams(**gates)
    found = []
    for row in rows:
        if 0 < GATE_CODE.get(row["gate"], 0) <= LIQUIDITY:
            best = smallest_change(record, row, params)
            if best is not None:
                found.append(Remedy(row["instrument"], row["gate"], best))
    found.sort(key=lambda one: (one.change.share, one.instrument, one.change.kind))
    distinct: dict[str, Remedy] = {}
    for one in found:
        distinct.setdefault(one.instrument, one)
    return list(distinct.values())[:most]


def smallest_change(record: Row, row: Row, params: GateParams) -> Change | None:
    """The smallest single change that lets one rejected candidate pass every rule; None where none does.

    None too for a row that the opening gates did not reject so: it was looked at for a roll.
    """
    candidate = candidate_of(record, row)
    if candidate is None:
        return None
    verdict = gate(candidate, params)
    if verdict.gate in (PASSED, DATA) or GATES[verdict.gate] != row["gate"]:
        return None
    able = [
        change
        for change, trial, bounds in _trials(candidate, params, verdict.gate, verdict.value, verdict.distance)
        if gate(trial, bounds).gate == PASSED
    ]
    return min(able, key=lambda one: (one.share, one.kind), default=None)


def candidate_of(record: Row, row: Row) -> Candidate | None:
    """What the rules saw of a candidate; None where the record doesn't hold it all."""
    option = parse_instrument(row["instrument"])
    underlying = option.product.underlying
    state = record["state"]
    spot = state.get("spot", {}).get(underlying)
    realised = state.get("forecast_volatility", {}).get(underlying)
    if spot is None or realised is None or "open_interest" not in row:
        return None
    days = number(row["dte"])
    iv, forward = number(row["iv"]), number(row["forward"])
    return Candidate(
        is_call=option.is_call,
        is_inverse=option.product.family is Family.INVERSE,
        strike=float(option.strike),
        forward=forward,
        index_price=float(spot),
        days_to_expiry=days,
        iv=iv,
        realised=float(realised),
        delta=_delta(option.is_call, float(option.strike), forward, days, iv),
        bid=number(row["bid"]),
        ask=number(row["ask"]),
        bid_size=number(row["bid_size"]),
        open_interest=number(row["open_interest"]),
    )


def built_out(rows: Sequence[Row]) -> dict[str, int]:
    """How many candidates passed every rule and were not built, by gate."""
    counts: dict[str, int] = {}
    for row in rows:
        if row["gate"] in _BUILT:
            counts[row["gate"]] = counts.get(row["gate"], 0) + 1
    return counts


def number(value: object) -> float:
    """A float; what is missing is NaN."""
    return float(value) if isinstance(value, int | float) else math.nan


def _delta(is_call: bool, strike: float, forward: float, days: float, iv: float) -> float:
    if not (forward > 0 and iv > 0):
        return math.nan
    _, signed = price_delta_one(forward, strike, max(days, 0.0) / 365.0, iv, is_call)
    return abs(float(signed))


def _moved(c: Candidate, name: str, wanted: float) -> Candidate:
    """The candidate with one number moved, and its delta with it where it hangs on that."""
    change: dict[str, Any] = {name: wanted}
    moved = c._replace(**change)
    if name not in ("iv", "days_to_expiry"):
        return moved
    return moved._replace(delta=_delta(c.is_call, c.strike, c.forward, moved.days_to_expiry, moved.iv))


def _trials(
    c: Candidate, p: GateParams, failed: int, value: float, distance: float
) -> Iterator[tuple[Change, Candidate, GateParams]]:
    """Changes worth trying for the gate that failed."""
    for name in _bounds(c, p, failed, value):
        yield (
            Change("bound", SETTING.get(name, f"gates.{name}"), getattr(p, name), value, abs(distance)),
            c,
            p._replace(**{name: value}),
        )
    for name, wanted, shown in _market(c, p, failed):
        now = getattr(c, name)
        if now > 0 and math.isfinite(wanted):
            yield (
                Change("market", shown, now, wanted, abs(wanted / now - 1.0)),
                _moved(c, name, wanted),
                p,
            )


def _bounds(c: Candidate, p: GateParams, failed: int, value: float) -> tuple[str, ...]:
    """The bound that was failed, by its name in the gates."""
    ranges = {DTE: ("dte_min", "dte_max"), DELTA: ("delta_min", "delta_max"), OTM: ("otm_min", "otm_max")}
    if failed in ranges:
        low, high = ranges[failed]
        return (low,) if value < getattr(p, low) else (high,)
    if failed == LIQUIDITY:
        if c.is_inverse:
            return ("open_interest_min",)
        return ("linear_spread_max",) if value > p.linear_spread_max else ("bid_size_min",)
    single = {IVRV: "ivrv_min", PREMIUM: "premium_min_usd", SPREAD: "spread_max"}
    return (single[failed],) if failed in single else ()


def _market(c: Candidate, p: GateParams, failed: int) -> Iterator[tuple[str, float, str]]:
    """The market number that would have to be another: field, value wanted, words."""
    if failed == IVRV and p.ivrv_min > 0:
        yield "realised", c.iv / p.ivrv_min * (1.0 - _HAIR), "forecast volatility"
        yield "iv", c.realised * p.ivrv_min * (1.0 + _HAIR), "implied volatility"
    elif failed == PREMIUM:
        yield "bid", bid_for(c, p.premium_min_usd) * (1.0 + _HAIR), "bid"
    elif failed == SPREAD or (failed == LIQUIDITY and not c.is_inverse):
        most = p.spread_max if c.is_inverse else min(p.spread_max, p.linear_spread_max)
        if most < 2.0:
            yield "ask", c.bid * (2.0 + most) / (2.0 - most) * (1.0 - _HAIR), "ask"
    elif failed == LIQUIDITY:
        yield "open_interest", p.open_interest_min, "open interest"
    elif failed == DTE and c.days_to_expiry > p.dte_max:
        yield "days_to_expiry", p.dte_max, "days to expiry, by waiting"


def bid_for(c: Candidate, premium_usd: float) -> float:
    """The bid at which selling a coin brings that many USD after the fee; the fee is capped (books/fees.py)."""
    wanted = premium_usd / coin_in_usd(c.is_inverse, c.index_price)
    fee = FEE_RATE * (1.0 if c.is_inverse else c.index_price)
    capped = wanted * CAP_DIVISOR / (CAP_DIVISOR - 1)
    return wanted + fee if wanted + fee >= CAP_DIVISOR * fee else capped
