"""Screening: a whole chain through the rules, as columns.

Owns the compiled loop and its preallocated answer. Keeps: delta is ours, from mark IV by Black-76 on the forward; a row
gets the same verdict and score as plain Python calling the rules gives it; rows that failed a gate have no score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optionwriter.core.compiled import compiled
from optionwriter.core.decide.menu import I8
from optionwriter.core.decide.rules import (
    PASSED,
    Candidate,
    GateParams,
    gate,
    net_premium_usd,
    out_of_the_money,
    sane,
    spread_share,
)
from optionwriter.core.decide.scoring import PART_NAMES, ScoreParams, market_tilt, score, total
from optionwriter.core.market.black76 import price_delta_one
from optionwriter.core.market.chain import F64, I64, Bools, OptionChain
from optionwriter.core.market.instruments import MS_PER_DAY, Family

_PARTS = len(PART_NAMES)
METRIC_NAMES = ("delta", "dte", "premium_usd", "ivrv", "otm_pct", "spread")
_METRICS = len(METRIC_NAMES)


@dataclass(frozen=True, slots=True, eq=False)
class Screen:
    """The rules' answer for every row of a chain. `verdict` columns: value, threshold, distance.

    Rows of the other option type have gate -1: they are no candidates. `score` is -inf where a gate failed.
    """

    chain: OptionChain
    gate: I8
    verdict: F64  # (n, 3)
    score: F64
    parts: F64  # (n, parts)
    metrics: F64  # (n, metrics), NaN where there is none


def screen(
    chain: OptionChain,
    is_call: bool,
    realised: float,
    gates: GateParams,
    weights: ScoreParams,
    at_ms: int | None = None,
    risk: F64 | None = None,
) -> Screen:
    """Gates and scores every option of one type; `realised` is the forecast volatility, a fraction a year.

    `at_ms` is the instant of the decision (the chain's own by default). `risk` (n,): the probability, within each
    one's life, of the event that hurts this side; NaN or None where it isn't known. What depends on the amount sold
    is not in these scores: opening.py adds it, item by item.
    """
    size = len(chain.table)
    answer = Screen(
        chain,
        np.full(size, -1, dtype=np.int8),
        np.zeros((size, 3)),
        np.full(size, -np.inf),
        np.zeros((size, _PARTS)),
        np.full((size, _METRICS), np.nan),
    )
    table = chain.table
    columns = (chain.forward, chain.mark_iv, chain.bid, chain.ask, chain.bid_size, chain.open_interest)
    risk = np.full(size, np.nan) if risk is None else risk
    if any(len(column) != size for column in (*columns, risk)):
        return answer  # state flags it; no row of it is a candidate
    _screen_rows(
        table.is_call,
        table.strike,
        table.expiry_ms,
        *columns,
        chain.at_ms if at_ms is None else at_ms,
        chain.index_price,
        chain.product.family is Family.INVERSE,
        is_call,
        realised,
        risk,
        gates,
        weights,
        answer.gate,
        answer.verdict,
        answer.score,
        answer.parts,
        answer.metrics,
    )
    return answer


@compiled
def candidate_of(
    is_call: bool,
    is_inverse: bool,
    strike: float,
    left_ms: int,
    forward: float,
    index: float,
    mark_iv: float,
    realised: float,
    bid: float,
    ask: float,
    bid_size: float,
    open_interest: float,
) -> Candidate:
    """One row as the rules see it; `left_ms`: of its life."""
    days = left_ms / MS_PER_DAY
    years = days / 365.0 if days > 0.0 else 0.0
    _, signed = price_delta_one(forward, strike, years, mark_iv, is_call)
    return Candidate(
        is_call,
        is_inverse,
        strike,
        forward,
        index,
        days,
        mark_iv,
        realised,
        abs(signed),
        bid,
        ask,
        bid_size,
        open_interest,
    )


@compiled
def _screen_rows(
    calls: Bools,
    strike: F64,
    expiry_ms: I64,
    forward: F64,
    mark_iv: F64,
    bid: F64,
    ask: F64,
    bid_size: F64,
    open_interest: F64,
    at_ms: int,
    index: float,
    is_inverse: bool,
    is_call: bool,
    realised: float,
    risk: F64,
    gates: GateParams,
    weights: ScoreParams,
    out_gate: I8,
    out_verdict: F64,
    out_score: F64,
    out_parts: F64,
    out_metrics: F64,
) -> None:
    for row in range(len(strike)):
        if calls[row] != is_call:
            continue
        one = candidate_of(
            is_call, is_inverse, strike[row], expiry_ms[row] - at_ms, forward[row], index, mark_iv[row], realised,
            bid[row], ask[row], bid_size[row], open_interest[row],
        )  # fmt: skip
        verdict = gate(one, gates)
        out_gate[row] = verdict.gate
        out_verdict[row, 0] = verdict.value
        out_verdict[row, 1] = verdict.threshold
        out_verdict[row, 2] = verdict.distance
        _measure(one, out_metrics[row])
        if verdict.gate == PASSED:
            parts = score(one, market_tilt(risk[row]), weights)
            out_score[row] = total(parts)
            for place in range(_PARTS):
                out_parts[row, place] = parts[place]


@compiled
def _measure(c: Candidate, out: F64) -> None:
    """The menu's metrics of one candidate, NaN left where a number is missing."""
    out[0] = c.delta
    out[1] = c.days_to_expiry
    if sane(c.index_price) and sane(c.bid):
        out[2] = net_premium_usd(c.is_inverse, c.index_price, c.bid)
    if sane(c.realised):
        out[3] = c.iv / c.realised
    if sane(c.index_price):
        out[4] = out_of_the_money(c.is_call, c.strike, c.index_price) * 100.0
    if sane(c.bid) and sane(c.ask):
        out[5] = spread_share(c.bid, c.ask)
