"""Options at their end, out of the transaction log: one Settlement an option, whatever form the log gives it.

Until 2026 an option ended in one entry (`delivery`) that moved the cash. Since then one in the money is exercised into
the future of its expiry, without cash, and the future's own delivery moves it (FACTS §0); the words for the entries
are not published, so they are told apart by what they do and not by their type. An entry that names an option, is no
trade and is stamped at or after the expiry ends it; an option that ended in the money without cash was paid by the
delivery of its future.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from optionwriter.adapters.deribit.errors import MalformedReplyError
from optionwriter.adapters.deribit.wire import LogRow
from optionwriter.core.books.account import Settlement
from optionwriter.core.books.settlement import payoff
from optionwriter.core.market.instruments import (
    Family,
    Instrument,
    InstrumentError,
    expiry_code,
    parse_instrument,
)
from optionwriter.core.market.money import quantise, quantum

_ZERO = Decimal(0)


@dataclass(slots=True)
class Ended:
    """The settlements with their places in the log, the entries they tell, and cash of a future beyond theirs."""

    settlements: list[tuple[int, Settlement]] = field(default_factory=list)
    told: set[int] = field(default_factory=set)
    left_over: dict[int, Decimal] = field(default_factory=dict)  # by entry: what no option of ours explains


@dataclass(slots=True)
class _End:
    """One option's end as its own entries tell it."""

    option: Instrument
    rows: list[LogRow]

    @property
    def cash(self) -> Decimal:
        return sum((row.change + (row.commission or _ZERO) for row in self.rows), _ZERO)

    @property
    def fee(self) -> Decimal:
        return sum((row.commission or _ZERO for row in self.rows), _ZERO)

    @property
    def delivery_price(self) -> Decimal:
        for row in self.rows:
            price = row.settlement_price if row.settlement_price is not None else row.index_price
            if price is not None and price > 0:
                return price
        raise MalformedReplyError(f"{self.option.name} ended without a delivery price in the transaction log")

    @property
    def position(self) -> Decimal:
        for row in self.rows:
            if row.amount and row.side and ("buy" in row.side or "sell" in row.side):
                return -abs(row.amount) if "buy" in row.side else abs(row.amount)
        raise MalformedReplyError(f"{self.option.name} ended without side and amount in the transaction log")

    @property
    def owed(self) -> Decimal:
        """The payoff by the published formula, on the currency's grain."""
        product = self.option.product
        inverse = product.family is Family.INVERSE
        worth = payoff(self.option.strike, self.delivery_price, self.option.is_call, inverse)
        return quantise(self.position * worth, product.settlement_currency)


def option_named(name: str | None) -> Instrument | None:
    """The option of a product we know, None for anything else."""
    if name is None:
        return None
    try:
        return parse_instrument(name)
    except InstrumentError:
        return None


def ended_options(log: Iterable[LogRow]) -> Ended:
    """Every option that ended in this part of the log, oldest entry first.

    Raises MalformedReplyError when an end is told only in half; the other half may come with the next look.
    """
    rows = sorted(log, key=lambda row: row.id)
    ends: dict[str, _End] = {}
    for row in rows:
        option = option_named(row.instrument_name)
        if option is not None and row.type != "trade" and row.timestamp >= option.expiry_ms:
            ends.setdefault(option.name, _End(option, [])).rows.append(row)
    found = Ended()
    exercised: dict[str, list[_End]] = {}
    for end in ends.values():
        found.told.update(row.id for row in end.rows)
        if end.cash == 0 and end.owed != 0:
            future = f"{end.option.product.code}-{expiry_code(end.option.expiry_ms)}"
            exercised.setdefault(future, []).append(end)
        else:
            found.settlements.append(_settlement(end, end.cash, end.fee))
    for future, optioned in exercised.items():
        _deliver(found, future, optioned, rows)
    return found


def _deliver(found: Ended, future: str, ends: list[_End], rows: list[LogRow]) -> None:
    """Shares the cash of a future's delivery among the options that were exercised into it."""
    expiry_ms = ends[0].option.expiry_ms
    paid = [
        row
        for row in rows
        if row.instrument_name == future and row.type != "trade" and row.timestamp >= expiry_ms
    ]
    if not paid:
        raise MalformedReplyError(
            f"{ends[0].option.name} was exercised, the delivery of {future} is not logged yet"
        )
    found.told.update(row.id for row in paid)
    tolerance = quantum(ends[0].option.product.settlement_currency) * 10
    each = [(end.owed, _ZERO) for end in ends]
    in_pairs = len(paid) == len(ends) and all(
        abs(row.change + (row.commission or _ZERO) - end.owed) <= tolerance
        for row, end in zip(paid, ends, strict=True)
    )
    if in_pairs:  # the exchange's own figure, to the last digit
        each = [(row.change + (row.commission or _ZERO), row.commission or _ZERO) for row in paid]
    for end, (cash, fee) in zip(ends, each, strict=True):
        found.settlements.append(_settlement(end, cash, end.fee + fee))
    rest = sum((row.change for row in paid), _ZERO) - sum((cash - fee for cash, fee in each), _ZERO)
    if rest:  # futures of another hand were delivered with ours
        found.left_over[paid[-1].id] = rest


def _settlement(end: _End, cash: Decimal, fee: Decimal) -> tuple[int, Settlement]:
    first = end.rows[0]
    return first.id, Settlement(
        instrument=end.option.name,
        position=end.position,
        delivery_price=end.delivery_price,
        payoff=cash,
        fee=fee,
        at_ms=first.timestamp,
    )
