"""Results: what a run was worth, as rows: metrics in every currency and in USD, and its positions.

Owns the metrics' names. P&L is the books' (core/books/pnl), ratios are core/report/metrics'; nothing is reckoned twice.
Keeps the identity: the chains' results and what mere holding did add up to the change of equity, in every currency
(coin) and in USD; `identity_gap` says by how much they miss, for tests to hold at nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from optionwriter.core.books.book import Book
from optionwriter.core.books.chains import Chain, Flow
from optionwriter.core.books.facts import Fact, Filled, Settled
from optionwriter.core.books.pnl import Both, ChainPnl, Prices, chain_pnl
from optionwriter.core.market.chain import F64
from optionwriter.core.market.instruments import product
from optionwriter.core.report.attribution import NOTHING, PARTS, Attribution
from optionwriter.core.report.benchmarks import Benchmark, units
from optionwriter.core.report.costs import converted, fees_saved, idle_yield
from optionwriter.core.report.curve import Curve, thinned
from optionwriter.core.report.decisions import plain
from optionwriter.core.report.metrics import (
    CurveMetrics,
    Estimate,
    TradeMetrics,
    curve_metrics,
    share_of,
    trade_metrics,
)
from optionwriter.core.report.origins import MADE, Origins, chain_origins, counts, flow_origins
from optionwriter.core.report.run import USD, ChainRow, MetricRow, Plain
from optionwriter.core.report.upside import UpsideLedger


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A run that went through: its curve, the books at its end, all facts, and the last prices."""

    exit_style: str
    curve: Curve
    book: Book
    facts: tuple[Fact, ...]
    prices: Prices
    benchmarks: tuple[Benchmark, ...] = ()
    attribution: Attribution = NOTHING
    origins: Origins = MADE


@dataclass(frozen=True, slots=True)
class Position:
    """One chain and its result at the last prices."""

    chain: Chain
    pnl: ChainPnl

    @property
    def currency(self) -> str:
        """In which it settles."""
        return product(self.chain.product).settlement_currency


def positions_of(outcome: Outcome) -> tuple[Position, ...]:
    """Every chain that traded, by its first trade. Errors: PriceMissingError for an open one without a mark."""
    chains = (one for one in outcome.book.chains.values() if one.legs)
    return tuple(Position(one, chain_pnl(one, outcome.prices)) for one in chains)


def metric_rows(outcome: Outcome, rng: np.random.Generator) -> tuple[MetricRow, ...]:
    """All metrics, by currency and in USD. Errors: as positions_of."""
    found = positions_of(outcome)
    curve = outcome.curve
    rows: list[MetricRow] = []
    for name in sorted(curve.equity):
        mine = [one for one in found if one.currency == name]
        flows = np.diff(curve.deposited[name], prepend=curve.deposited[name][:1])
        held = curve_metrics(curve.at_ms, curve.equity[name], flows, rng)
        rows += _rows(outcome, name, held, [one.pnl.total.coin for one in mine], mine, rng)
    usd = curve_metrics(curve.at_ms, curve.equity_usd, curve.flows_usd, rng)
    rows += _rows(outcome, USD, usd, [one.pnl.total.usd for one in found], found, rng)
    holding = curve_metrics(curve.at_ms, curve.holding_usd, curve.flows_usd, rng)
    rows += [
        MetricRow(outcome.exit_style, USD, f"holding_{name}", value)
        for name, value in (
            ("net_profit", holding.net_profit),
            ("total_return", holding.total_return),
            ("max_drawdown", holding.drawdown.share),
            ("volatility", holding.volatility),
        )
    ]
    over = curve.equity_usd - curve.holding_usd
    rows.append(MetricRow(outcome.exit_style, USD, "over_holding", float(over[-1] - over[0])))
    rows.append(MetricRow(outcome.exit_style, USD, "flows_gained", _flows_gained(outcome)))
    exposed = time_share(curve, curve.short_usd > 0.0)
    rows.append(MetricRow(outcome.exit_style, USD, "time_exposed", exposed))
    mean_equity = float(np.mean(curve.equity_usd))
    traded = _traded_usd(outcome.facts)
    rows.append(
        MetricRow(outcome.exit_style, USD, "turnover", traded / mean_equity if mean_equity > 0 else None)
    )
    rows += _benchmark_rows(outcome, rng)
    return tuple(rows)


def _flows_gained(outcome: Outcome) -> float:
    """What the coins of premiums, less those of fees and payoffs, gained in USD since they were booked: over holding
    less the positions' results, each flow of which counts at its own index."""
    prices = outcome.prices.indices
    return float(sum(one.flowed * prices[name] - one.flowed_usd for name, one in outcome.book.totals.items()))


def _benchmark_rows(outcome: Outcome, rng: np.random.Generator) -> Iterator[MetricRow]:
    """Each rule's curve by coin and in USD, and what the run earned over it."""
    curve = outcome.curve
    for rule, currency, equity in units(outcome.benchmarks, curve.price_usd):
        own, flows = curve.equity_usd, curve.flows_usd
        if currency != USD:
            own = curve.equity[currency]
            flows = np.diff(curve.deposited[currency], prepend=curve.deposited[currency][:1])
        held = curve_metrics(curve.at_ms, equity, flows, rng)
        values = (
            ("net_profit", held.net_profit),
            ("total_return", held.total_return),
            ("max_drawdown", held.drawdown.share),
            ("volatility", held.volatility),
            ("over", float((own[-1] - own[0]) - (equity[-1] - equity[0]))),
        )
        for name, value in values:
            yield MetricRow(outcome.exit_style, currency, f"{rule}_{name}", value)
        yield MetricRow(outcome.exit_style, currency, f"{rule}_sharpe", held.sharpe.value, held.sharpe.error)


def chain_rows(outcome: Outcome) -> tuple[ChainRow, ...]:
    """Every position, by its first trade, with its legs and flows."""
    upside = UpsideLedger()
    upside.add(outcome.facts)
    return tuple(_chain_row(outcome, one, upside) for one in positions_of(outcome))


def curve_columns(curve: Curve, benchmarks: Sequence[Benchmark] = ()) -> dict[str, Plain]:
    """The curve, and the benchmarks' beside it, as columns that a store keeps.

    At most some 2,000 points, the extremes of equity among them.
    """
    rows = thinned(curve.equity_usd)
    columns: dict[str, Plain] = {
        "at_ms": [int(one) for one in curve.at_ms[rows]],
        "equity_usd": _listed(curve.equity_usd, rows),
        "holding_usd": _listed(curve.holding_usd, rows),
        "short_usd": _listed(curve.short_usd, rows),
    }
    for name in sorted(curve.equity):
        columns[f"equity_{name}"] = _listed(curve.equity[name], rows)
        columns[f"holding_{name}"] = _listed(curve.deposited[name], rows)
        columns[f"price_{name}"] = _listed(curve.price_usd[name], rows)
    for rule, currency, equity in units(benchmarks, curve.price_usd):
        columns[f"{rule}_{currency.lower() if currency == USD else currency}"] = _listed(equity, rows)
    return columns


def identity_gap(outcome: Outcome) -> Both:
    """By how much the chains and holding miss the change of equity: the largest gap of a currency, and that in USD.

    In a currency: deposits + chains = equity. In USD: each flow at its own price, and what its price did since.
    """
    found = positions_of(outcome)
    worst = Decimal(0)
    usd = Decimal(0)
    for name, totals in outcome.book.totals.items():
        price = outcome.prices.indices[name]
        mine = [one for one in found if one.currency == name]
        chains = sum((one.pnl.total.coin for one in mine), Decimal(0))
        worth = sum((one.pnl.value.coin for one in mine), Decimal(0))
        equity = totals.deposited + totals.flowed + worth
        worst = max(worst, abs(totals.deposited + chains - equity))
        option = sum((one.pnl.total.usd for one in mine), Decimal(0))
        held = (totals.deposited + totals.flowed) * price - totals.deposited_usd - totals.flowed_usd
        usd += totals.deposited_usd + option + held - equity * price
    return Both(worst, abs(usd))


def time_share(curve: Curve, when: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    """The share of the curve's time in the intervals that begin with `when`."""
    span = np.diff(curve.at_ms).astype(np.float64)
    return float(np.sum(span[when[:-1]]) / np.sum(span)) if len(span) else 0.0


def _rows(
    outcome: Outcome,
    currency: str,
    held: CurveMetrics,
    results: Sequence[Decimal],
    mine: Sequence[Position],
    rng: np.random.Generator,
) -> Iterator[MetricRow]:
    traded = trade_metrics(np.array([float(one) for one in results]), rng)
    for name, value in (
        *_curve_values(held),
        *_trade_values(traded),
        *_sums(currency, mine, outcome.facts),
        *_beside(currency, mine, outcome),
        *_explained(currency, mine, outcome.attribution),
    ):
        if isinstance(value, Estimate):
            yield MetricRow(outcome.exit_style, currency, name, value.value, value.error)
        else:
            yield MetricRow(outcome.exit_style, currency, name, float(value))


def _curve_values(held: CurveMetrics) -> Iterator[tuple[str, float | Estimate]]:
    yield "net_profit", held.net_profit
    yield "total_return", held.total_return
    yield "annual_return", held.annual_return
    yield "volatility", held.volatility
    yield "max_drawdown", held.drawdown.share
    yield "max_drawdown_amount", held.drawdown.amount
    yield "max_drawdown_days", held.drawdown.longest_days
    yield "sharpe", held.sharpe
    yield "sortino", held.sortino
    yield "calmar", held.calmar


def _trade_values(traded: TradeMetrics) -> Iterator[tuple[str, float | Estimate]]:
    yield "trades", float(traded.trades)
    yield "gross_profit", traded.gross_profit
    yield "gross_loss", traded.gross_loss
    yield "profit_factor", traded.profit_factor
    yield "win_rate", traded.win_rate
    yield "average_trade", traded.average


def _sums(
    currency: str, mine: Sequence[Position], facts: Iterable[Fact]
) -> Iterator[tuple[str, float | Estimate]]:
    """What the positions earned, paid and gave up. Coin for a currency, dollars for USD."""

    def of(both: Both) -> float:
        return float(both.usd if currency == USD else both.coin)

    ids = {one.chain.chain_id for one in mine}
    own = [one for one in facts if one.chain_id in ids]
    sold = sum(of(_sold(one.chain)) for one in mine)
    upside = UpsideLedger()
    upside.add(own)
    yield "option_pnl", sum(of(one.pnl.total) for one in mine)
    yield "fees", -sum(of(one.pnl.fees) for one in mine)
    yield "premium_sold", sold
    kept = np.array([of(one.pnl.total) for one in mine]), np.array([of(_sold(one.chain)) for one in mine])
    yield "premium_kept", share_of(*kept)
    yield "given_up", sum(of(one.given_up) for one in upside.chains())
    yield "rolls", float(sum(one.chain.rolls for one in mine))
    settled = [one.body for one in own if isinstance(one.body, Settled)]
    yield "settlements", float(len(settled))
    yield "settlements_in_the_money", float(sum(one.payoff != 0 for one in settled))


def _beside(
    currency: str, mine: Sequence[Position], outcome: Outcome
) -> Iterator[tuple[str, float | Estimate]]:
    """What is no position's P&L: fees saved, the yield of idle cash, and where prices came from."""
    ids = {one.chain.chain_id for one in mine}
    own = [one for one in outcome.facts if one.chain_id in ids]
    yield "fees_saved", float(fees_saved(own, currency))
    yield "idle_yield", float(idle_yield(outcome.facts, currency))
    yield "conversions", float(converted(outcome.facts, currency))
    yield from counts(outcome.origins, own)


def _explained(
    currency: str, mine: Sequence[Position], attribution: Attribution
) -> Iterator[tuple[str, float | Estimate]]:
    """What moved the positions' P&L, and the volatility that was sold against what was realised."""
    ids = {one.chain.chain_id for one in mine}
    total = attribution.total(ids)
    for name, value in zip(PARTS, total.usd if currency == USD else total.coin, strict=True):
        yield f"attributed_{name}", value
    known = [
        one
        for one in attribution.volatility
        if one.chain_id in ids and np.isfinite(one.sold) and np.isfinite(one.realised)
    ]
    nan = float("nan")
    yield "iv_sold", float(np.mean([one.sold for one in known])) if known else nan
    yield "realised_over_life", float(np.mean([one.realised for one in known])) if known else nan
    yield "iv_less_realised", float(np.mean([one.sold - one.realised for one in known])) if known else nan


def _sold(chain: Chain) -> Both:
    """What the chain's sales brought before fees."""
    total = Both()
    for flow in chain.flows:
        if flow.kind == "premium" and flow.amount > 0:
            total += Both(flow.amount, flow.amount * flow.index)
    return total


def _traded_usd(facts: Iterable[Fact]) -> float:
    """Notional of all trades, USD: amount x index."""
    return float(sum(one.body.amount * one.body.index for one in facts if isinstance(one.body, Filled)))


def _chain_row(outcome: Outcome, one: Position, upside: UpsideLedger) -> ChainRow:
    chain = one.chain
    gone = upside.of(chain.chain_id)
    return ChainRow(
        exit_style=outcome.exit_style,
        chain_id=chain.chain_id,
        strategy_id=chain.strategy_id,
        strategy_type=chain.strategy_type,
        underlying=product(chain.product).underlying,
        option_type=chain.option_type.value,
        currency=one.currency,
        opened_ms=chain.created_ms,
        closed_ms=chain.closed_ms,
        pnl=format(one.pnl.total.coin, "f"),
        pnl_usd=format(one.pnl.total.usd, "f"),
        detail={
            "legs": plain(chain.legs),
            "flows": [_flow(outcome.origins, flow) for flow in chain.flows],
            **chain_origins(outcome.origins, chain),
            "rolls": chain.rolls,
            "pnl": plain(one.pnl),
            "given_up": plain(gone.given_up) if gone else None,
            "attribution": outcome.attribution.of(chain.chain_id),
            "volatility": [
                {"instrument": each.instrument, "sold": _known(each.sold), "realised": _known(each.realised)}
                for each in outcome.attribution.volatility
                if each.chain_id == chain.chain_id
            ],
        },
    )


def _flow(origins: Origins, flow: Flow) -> dict[str, Plain]:
    found = plain(flow)
    assert isinstance(found, dict)
    return {**found, **flow_origins(origins, flow)}


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _listed(column: F64, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[float]:
    return [float(one) for one in column[rows]]
