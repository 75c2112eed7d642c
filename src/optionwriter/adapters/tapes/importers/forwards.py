"""Forwards and prices in one currency: as given, or from put-call parity of the marks.

Both sides of a strike at one instant give F = K / (1 - (C - P)) where prices are in coin, and F = K + (C - P) where
they are in USD of the forward. A forward by parity is the median over an expiry's strikes near the money.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from optionwriter.core.market.instruments import MS_PER_YEAR
from optionwriter.core.market.linear_marks import index_over_forward

Denominator = Literal["forward", "index"]
_NEAR = 0.35  # |C - P| as a share of the forward, at most, of strikes that count
_AGREES = 2e-3


def with_forward(raw: pl.DataFrame, price: str, by: Denominator, parity: bool) -> pl.DataFrame:
    """The table with `forward` settled and `mark_usd` beside it: the mark in USD of the forward."""
    if parity:
        own = (
            _pairs(raw, price, by)
            .filter(pl.col("gap").abs() <= _NEAR)
            .group_by("at_us", "underlying", "expiry_ms")
            .agg(parity_forward=pl.col("implied").median())
        )
        raw = raw.join(own, on=["at_us", "underlying", "expiry_ms"], how="left", maintain_order="left")
        raw = raw.with_columns(forward=pl.col("parity_forward")).drop("parity_forward")
    return raw.with_columns(mark_usd=in_coin(pl.col("mark_price"), price, by) * _worth())


def in_coin(value: pl.Expr, price: str, by: Denominator) -> pl.Expr:
    """A price in the settlement currency: coin for inverse options, USDC for linear ones."""
    if price == "coin":
        return value
    divisor = pl.col("index_price") if by == "index" else pl.col("forward")
    return pl.when(is_linear()).then(value).otherwise(value / divisor)


def is_linear() -> pl.Expr:
    """Whether a row's product is priced in USDC."""
    return pl.col("underlying").str.contains("_", literal=True)


def parity_agreement(raw: pl.DataFrame, price: str, by: Denominator) -> tuple[float, int]:
    """(share of strikes whose own forward lies within 0.2 % of their expiry's, number of strikes)."""
    near = _pairs(raw, price, by)
    group = ["at_us", "underlying", "expiry_ms"]
    own = pl.when(pl.col("implied") > 0).then(pl.col("implied")).median().over(group)
    middle = pl.coalesce(pl.col("given").median().over(group), own)
    told = near.with_columns(middle=middle, pairs=pl.len().over(group)).filter(pl.col("pairs") >= 3)
    if not told.height:
        return 0.0, 0
    agrees = ((pl.col("implied") / pl.col("middle") - 1).abs() <= _AGREES).fill_null(value=False).mean()
    return float(told.select(agrees).item()), told.height


def with_factor(seen: pl.DataFrame) -> pl.DataFrame:
    """The table (of `with_forward`) with `factor` beside it: index / forward of linear marks, else 1."""
    keys = ["at_us", "underlying", "expiry_ms"]
    sides = seen.filter(is_linear() & pl.col("mark_usd").is_not_null() & (pl.col("forward") > 0))
    call = sides.filter(pl.col("option_type") == "C").unique([*keys, "strike"], maintain_order=True)
    put = sides.filter(pl.col("option_type") == "P").unique([*keys, "strike"], maintain_order=True)
    put = put.select(*keys, "strike", put="mark_usd")
    pairs = call.join(put, on=[*keys, "strike"], maintain_order="left")
    if not pairs.height:
        return seen.with_columns(factor=pl.lit(1.0))
    place = pairs.select(keys).unique(maintain_order=True).with_row_index("group")
    pairs = pairs.join(place, on=keys, maintain_order="left")
    found = index_over_forward(
        pairs["group"].cast(pl.Int64).to_numpy(),
        place.height,
        pairs["forward"].to_numpy(),
        pairs["strike"].to_numpy(),
        (pairs["mark_usd"] - pairs["put"]).to_numpy(),
        ((pairs["expiry_ms"] - pairs["at_us"] / 1_000) / MS_PER_YEAR).to_numpy(),
    )
    own = place.drop("group").with_columns(factor=pl.Series(found))
    return seen.join(own, on=keys, how="left", maintain_order="left").with_columns(
        pl.col("factor").fill_null(1.0)
    )


def _worth() -> pl.Expr:
    """USD of one unit of the settlement currency."""
    return pl.when(is_linear()).then(1.0).otherwise(pl.col("forward"))


def _pairs(raw: pl.DataFrame, price: str, by: Denominator) -> pl.DataFrame:
    """Strikes with both sides: `implied` forward, and `gap` = (C - P) as a share of it."""
    keys = ["at_us", "underlying", "expiry_ms", "strike"]
    marked = raw.filter(pl.col("mark_price") > 0).select(
        *keys, "option_type", "mark_price", "index_price", given="forward"
    )
    calls = marked.filter(pl.col("option_type") == "C").drop("option_type")
    puts = marked.filter(pl.col("option_type") == "P").select(*keys, put="mark_price")
    both = calls.unique(keys, keep="last", maintain_order=True).join(
        puts.unique(keys, keep="last", maintain_order=True), on=keys, maintain_order="left"
    )
    difference, strike = pl.col("mark_price") - pl.col("put"), pl.col("strike")
    if price == "usd" and by == "index":
        difference = pl.when(is_linear()).then(difference).otherwise(difference / pl.col("index_price"))
    in_usd = is_linear() if price == "coin" or by == "index" else pl.lit(value=True)
    implied = pl.when(in_usd).then(strike + difference).otherwise(strike / (1 - difference))
    gap = pl.when(in_usd).then(difference / implied).otherwise(difference)
    return both.with_columns(implied=implied, gap=gap)
