"""Hindsight: what each candidate of a decision would have earned, had a coin of it been sold at its bid and kept.

Premium is the bid less the trading fee, the end the payoff at the delivery price and the delivery fee, as the books
reckon them (books/fees, books/settlement): per coin of the underlying, in the settlement currency and in USD (the
premium at the index of the decision, the end at the delivery price). Without a bid or a delivery price it is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from optionwriter.core.books.fees import trading_fee
from optionwriter.core.books.settlement import settle
from optionwriter.core.decide.crossing import exact
from optionwriter.core.market.instruments import Family, parse_instrument
from optionwriter.core.market.listing import Series, series_of

Row = Mapping[str, Any]
Delivered = Callable[
    [str, int], Decimal | None
]  # (index name, expiry) to the delivery price, None while unknown
_COIN = Decimal(1)


class Outcome(NamedTuple):
    """One candidate after its expiry; `gate` "" was on the menu. Amounts are None where unknown, `why` says why."""

    instrument: str
    gate: str
    chosen: bool
    currency: str
    earned: Decimal | None
    earned_usd: Decimal | None
    premium: Decimal | None
    paid: Decimal | None
    delivery_price: Decimal | None
    why: str = ""


def outcomes(spot: Mapping[str, object], rows: Sequence[Row], delivered: Delivered) -> list[Outcome]:
    """Of every candidate; each instrument once, as it was looked at first. `spot` is the index by underlying."""
    seen: dict[str, Row] = {}
    for row in rows:
        seen.setdefault(row["instrument"], row)
    indices = {name: Decimal(str(price)) for name, price in spot.items()}
    return [outcome(row, indices.get(_underlying(name)), delivered) for name, row in seen.items()]


def outcome(row: Row, index: Decimal | None, delivered: Delivered) -> Outcome:
    """One candidate's. `index` is the underlying's at the decision, None where it was not seen."""
    option = parse_instrument(row["instrument"])
    product = option.product
    bare = Outcome(
        option.name,
        str(row["gate"]),
        bool(row["chosen"]),
        product.settlement_currency,
        None,
        None,
        None,
        None,
        None,
    )
    price = delivered(product.index_name, option.expiry_ms)
    if price is None:
        return bare._replace(why="its delivery price is not known yet")
    if index is None:
        return bare._replace(delivery_price=price, why="its index was not seen")
    bid = row["bid"]
    if not isinstance(bid, int | float) or not bid > 0:
        return bare._replace(delivery_price=price, why="nobody bid for it")
    sold = exact(float(bid))
    premium = sold - trading_fee(product, _COIN, sold, index)
    end = settle(option, -_COIN, price, series_of(option.expiry_ms) is Series.DAILY)
    flow = end.payoff - end.fee
    inverse = product.family is Family.INVERSE
    then, later = (index, price) if inverse else (_COIN, _COIN)
    return bare._replace(
        earned=premium + flow,
        earned_usd=premium * then + flow * later,
        premium=premium,
        paid=-flow,
        delivery_price=price,
    )


def by_gate(found: Sequence[Outcome]) -> list[dict[str, object]]:
    """By the gate that kept them off: how many, how many are known, what they would have earned, and how many lost."""
    groups: dict[str, list[Outcome]] = {}
    for one in found:
        groups.setdefault(one.gate, []).append(one)
    rows: list[dict[str, object]] = []
    for gate, ones in sorted(groups.items()):
        usd = [one.earned_usd for one in ones if one.earned_usd is not None]
        rows.append(
            {
                "gate": gate or "on the menu",
                "candidates": len(ones),
                "known": len(usd),
                "mean_usd": sum(usd, Decimal(0)) / len(usd) if usd else None,
                "lost": sum(one < 0 for one in usd),
            }
        )
    return rows


def _underlying(name: str) -> str:
    return parse_instrument(name).product.underlying
