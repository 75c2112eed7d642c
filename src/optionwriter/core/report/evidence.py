"""Evidence: what a replay showed, and how little it may show: results with intervals, limits, calls against puts.

Rules:

- a result is a chain's P&L as the books reckon it (each flow at the index of its instant, open legs at their marks),
  summed by underlying and option type
- intervals are a block bootstrap over weeks: what happens within a week hangs together, weeks are drawn with
  replacement; `smallest` is the total that would have been told from nothing in 80 of 100 such periods
- a limit counts as passed by a decision when its use after the orders is above it and above what it was before them;
  a use that only the market moved above a limit is drift, and shown apart
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from optionwriter.core.books.book import Book
from optionwriter.core.books.pnl import Both, Prices, chain_pnl
from optionwriter.core.decide.menu import Menu
from optionwriter.core.decide.risk import Capacity
from optionwriter.core.decide.rules import PASSED
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.base import WRITES, StrategyConfig
from optionwriter.core.decide.strategies.view import view_of
from optionwriter.core.market.chain import F64
from optionwriter.core.market.instruments import MS_PER_DAY, OptionType, parse_instrument, product
from optionwriter.core.report.decisions import LimitUse

Kind = tuple[str, str]  # underlying, option type
Pair = tuple[float, float]  # best score of a call, of a put
CONFIDENCE, POWER, DRAWS = 0.95, 0.80, 10_000
DAYS_A_BLOCK = 7
DO_NOTHING = "DO_NOTHING"


@dataclass(frozen=True, slots=True)
class Round:
    """One strategy's decision: the actions that filled, how many were refused, and the best score of each side.

    By underlying (best call, best put), NaN where there is none: `offered` on the menu, to be opened at once; `able`
    of all that pass the rules, whether or not a slot and cover are free.
    """

    at_ms: int
    strategy_id: str
    actions: tuple[str, ...]
    refused: int
    offered: Mapping[str, Pair]
    able: Mapping[str, Pair]


@dataclass(frozen=True, slots=True)
class Look:
    """The books at one instant, after its orders. `before` and `after` are the limits' uses around them."""

    at_ms: int
    results: Mapping[Kind, Both]
    equity_usd: float
    before: tuple[LimitUse, ...]
    after: tuple[LimitUse, ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """A total with its interval, and the smallest total that the period could have told from nothing."""

    total: float
    low: float
    high: float
    smallest: float


@dataclass(frozen=True, slots=True)
class Sides:
    """How often, over cycles and underlyings, which side had the better best score."""

    looked: int
    both: int
    calls_better: int
    puts_better: int
    only_calls: int
    only_puts: int


@dataclass(frozen=True, slots=True)
class LimitRecord:
    """The largest share of one limit that was ever used, and how often a decision or the market passed it."""

    name: str
    subject: str
    most: float
    passed: int
    drifted: int


class Results:
    """P&L by underlying and type over a growing book; chains that are over are reckoned once."""

    def __init__(self) -> None:
        self._over: dict[str, Both] = {}

    def at(self, book: Book, prices: Prices) -> dict[Kind, Both]:
        """Totals now. Errors: PriceMissingError."""
        sums: dict[Kind, Both] = {}
        for chain in book.chains.values():
            found = self._over.get(chain.chain_id)
            if found is None or chain.is_open:
                found = chain_pnl(chain, prices).total
                if not chain.is_open:
                    self._over[chain.chain_id] = found
                else:
                    self._over.pop(chain.chain_id, None)
            kind = (product(chain.product).underlying, chain.option_type.value)
            sums[kind] = sums.get(kind, Both()) + found
        return sums


def offered_scores(menus: Iterable[Menu]) -> dict[str, Pair]:
    """By underlying the best score of a call and of a put that could be opened; NaN where there is none."""
    found: dict[str, Pair] = {}
    for menu in menus:
        call, put = found.get(menu.underlying, (math.nan, math.nan))
        for item in menu.items:
            leg = item.opening_leg
            if leg is None or item.chain_id:
                continue
            if parse_instrument(leg.instrument).option_type is OptionType.CALL:
                call = _better(call, item.score)
            else:
                put = _better(put, item.score)
        found[menu.underlying] = (call, put)
    return found


def able_scores(state: AgentState, config: StrategyConfig, capacity: Capacity) -> dict[str, Pair]:
    """By underlying the best score of a call and of a put that pass the strategy's rules; NaN where none does."""
    found: dict[str, Pair] = {}
    for underlying in config.underlyings:
        best = {OptionType.CALL: math.nan, OptionType.PUT: math.nan}
        for name in config.writes:
            writes = WRITES[name]
            view = view_of(state, config, capacity, underlying, writes)
            if view is None:
                continue
            screened = view.screened(config.gates)
            passed = screened.score[screened.gate == PASSED]
            if passed.size:
                best[writes.option_type] = _better(best[writes.option_type], float(passed.max()))
        found[underlying] = (best[OptionType.CALL], best[OptionType.PUT])
    return found


def _better(one: float, other: float) -> float:
    return other if one != one else max(one, other)


def sides(looked: Iterable[Mapping[str, Pair]]) -> Sides:
    """Calls against puts over cycles and underlyings; ties count for neither."""
    pairs = [pair for one in looked for pair in one.values()]
    both = [(call, put) for call, put in pairs if call == call and put == put]
    return Sides(
        looked=len(pairs),
        both=len(both),
        calls_better=sum(call > put for call, put in both),
        puts_better=sum(put > call for call, put in both),
        only_calls=sum(call == call and put != put for call, put in pairs),
        only_puts=sum(put == put and call != call for call, put in pairs),
    )


def actions_by_strategy(rounds: Iterable[Round]) -> dict[str, dict[str, int]]:
    """By strategy how often each action was filled; a decision without one did nothing."""
    counts: dict[str, Counter[str]] = {}
    for one in rounds:
        counts.setdefault(one.strategy_id, Counter()).update(one.actions or (DO_NOTHING,))
    return {name: dict(sorted(found.items())) for name, found in sorted(counts.items())}


def limit_records(looks: Iterable[Look]) -> tuple[LimitRecord, ...]:
    """The use of every limit over the period, by name and subject."""
    most: dict[tuple[str, str], float] = {}
    passed: Counter[tuple[str, str]] = Counter()
    drifted: Counter[tuple[str, str]] = Counter()
    for look in looks:
        before = {(one.name, one.subject): one for one in look.before}
        for one in (*look.before, *look.after):
            key = (one.name, one.subject)
            most[key] = max(most.get(key, 0.0), _share(one))
        for one in look.after:
            key, was = (one.name, one.subject), before.get((one.name, one.subject))
            if one.used <= one.limit:
                continue
            if was is not None and one.used > was.used:
                passed[key] += 1
            else:
                drifted[key] += 1
    return tuple(LimitRecord(*key, most[key], passed[key], drifted[key]) for key in sorted(most))


def _share(one: LimitUse) -> float:
    if one.limit:
        return float(one.used / one.limit)
    return math.inf if one.used else 0.0


def weekly(at_ms: Sequence[int], values: Sequence[float]) -> F64:
    """What a cumulative series gained in each of the equal stretches of about a week that the period divides into.

    The series counts as 0 before its first value, which belongs to the first stretch.
    """
    if not at_ms:
        return np.zeros(0)
    span = at_ms[-1] - at_ms[0]
    count = max(1, round(span / (DAYS_A_BLOCK * MS_PER_DAY)))
    edges = at_ms[0] + span * np.arange(1, count + 1) / count
    last = np.searchsorted(np.asarray(at_ms), edges, side="right") - 1
    return np.diff(np.asarray(values, dtype=np.float64)[last], prepend=0.0)


def interval(gains: F64, rng: np.random.Generator, draws: int = DRAWS) -> Interval:
    """The total of weekly gains with its 95 % percentile interval and the smallest total told apart at 80 % power."""
    count = len(gains)
    if not count:
        return Interval(0.0, math.nan, math.nan, math.nan)
    totals = gains[rng.integers(0, count, size=(draws, count))].sum(axis=1)
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(totals, [tail, 1.0 - tail])
    normal = NormalDist()
    reach = normal.inv_cdf(1.0 - tail) + normal.inv_cdf(POWER)
    return Interval(float(gains.sum()), float(low), float(high), reach * float(totals.std()))


def series(looks: Sequence[Look], kinds: Iterable[Kind], in_usd: bool) -> list[float]:
    """The cumulative result of some kinds at each look."""
    wanted = tuple(kinds)
    found = []
    for look in looks:
        parts = [look.results.get(kind, Both()) for kind in wanted]
        found.append(float(sum(one.usd if in_usd else one.coin for one in parts)))
    return found
