"""Forwards and prices in one currency: as given, or from put-call parity of the marks.

Both sides of a strike at one instant give F = K / (1 - (C - P)) where prices are in coin, and F = K + (C - P) where
they are in USD of the forward. A forward by parity is the median over an expiry's strikes near the money.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

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
