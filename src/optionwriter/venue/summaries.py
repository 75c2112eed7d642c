"""Book summaries: the cheap whole-chain snapshot that harvesters and the agent read.

Rows are built from the chain's columns and encoded at once; a product's rows are kept until the instant, or what has
been taken of its quotes, changes. Missing numbers are null (recorded). Columns are floats as the feed rounds them,
written as their shortest text.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from optionwriter.core.books.account import Side
from optionwriter.core.market.chain import F64, OptionChain
from optionwriter.core.market.instruments import Family, Product
from optionwriter.venue.params import currency_of
from optionwriter.venue.request import Request
from optionwriter.venue.rules import future_name
from optionwriter.venue.state import State
from optionwriter.venue.values import JsonValue


class SummaryRow(msgspec.Struct, gc=False):
    """One option, with the fields recorded for options in 2026."""

    instrument_name: str
    underlying_index: str
    base_currency: str
    quote_currency: str
    creation_timestamp: int
    estimated_delivery_price: float
    interest_rate: float
    high: float | None
    low: float | None
    price_change: float | None
    bid_price: float | None
    ask_price: float | None
    mid_price: float | None
    last: float | None
    mark_price: float | None
    mark_iv: float | None
    underlying_price: float | None
    open_interest: float
    volume: float
    volume_usd: float


def encoded_rows(state: State, product: Product) -> bytes:
    """The product's rows as JSON objects joined by commas, without brackets."""
    kept = state.summaries.get(product.code)
    at_ms, version = state.now_ms, state.liquidity.version
    if kept is None or kept[:2] != (at_ms, version):
        rows = summary_rows(state, state.market.chain(product.code, at_ms))
        kept = (at_ms, version, msgspec.json.encode(rows)[1:-1])
        state.summaries[product.code] = kept
    return kept[2]


def get_book_summary_by_currency(request: Request) -> JsonValue:
    """Every option that settles in a currency; USDC gives all linear underlyings."""
    currency = currency_of(request.params)
    if request.params.text("kind", "option") not in ("option", "any"):
        return []
    parts = [encoded_rows(request.state, product) for product in request.products(currency)]
    return msgspec.Raw(b"[" + b",".join(part for part in parts if part) + b"]")


def get_book_summary_by_instrument(request: Request) -> JsonValue:
    """One option's row, in an array."""
    name = request.params.required("instrument_name")
    instrument = request.state.market.known(name, request.now_ms)
    chain = request.state.market.feed.quotes(instrument.product.code, (name,), request.now_ms)
    return msgspec.Raw(msgspec.json.encode(summary_rows(request.state, chain)))


def summary_rows(state: State, chain: OptionChain) -> list[SummaryRow]:
    """The chain's rows."""
    product, count = chain.product, len(chain)
    names = chain.table.names
    bid, ask = _untaken(state, chain, Side.SELL), _untaken(state, chain, Side.BUY)
    turnover = chain.volume * chain.mark * (chain.forward if product.family is Family.INVERSE else 1.0)
    estimated = state.market.feed.estimated_delivery_price(product.index_name, chain.at_ms)
    nothing: list[float | None] = [None] * count
    quote_currency = product.underlying if product.family is Family.INVERSE else "USDC"
    columns: list[Sequence[object]] = [
        names,
        _underlying_indices(chain),
        [product.underlying] * count,
        [quote_currency] * count,
        [chain.at_ms] * count,
        [estimated] * count,
        [0.0] * count,
        nothing,
        nothing,
        nothing,
        _nullable(bid),
        _nullable(ask),
        _nullable(np.round((bid + ask) / 2, 8)),
        _last(state, names),
        _nullable(chain.mark),
        _nullable(np.round(chain.mark_iv * 100, 2)),
        _nullable(chain.forward),
        np.nan_to_num(chain.open_interest).tolist(),
        np.nan_to_num(chain.volume).tolist(),
        np.round(np.nan_to_num(turnover), 2).tolist(),
    ]
    return list(map(SummaryRow, *columns))


def _underlying_indices(chain: OptionChain) -> list[str]:
    expiries = chain.table.expiry_ms.tolist()
    by_expiry = {one: future_name(chain.product, one) for one in set(expiries)}
    return [by_expiry[one] for one in expiries]


def _last(state: State, names: Sequence[str]) -> list[float | None]:
    traded = state.last_trade
    if not traded:
        return [None] * len(names)
    return [float(traded[name][0]) if name in traded else None for name in names]


def _untaken(state: State, chain: OptionChain, side: Side) -> F64:
    """The prices that an order of `side` still finds, NaN where the quote is taken up."""
    prices, sizes = (chain.bid, chain.bid_size) if side is Side.SELL else (chain.ask, chain.ask_size)
    taken = [
        (row, amount)
        for (name, taker), amount in state.liquidity.taken.items()
        if taker is side and (row := chain.table.row_of.get(name)) is not None
    ]
    if taken:
        prices = prices.copy()
        for row, amount in taken:
            if float(amount) >= sizes[row] - float(chain.product.amount_step) / 2:
                prices[row] = np.nan
    return prices


def _nullable(column: F64) -> list[float | None]:
    return [None if value != value else value for value in column.tolist()]
