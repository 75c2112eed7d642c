"""Positions: the rows of open and closed chains, and each one opened up: flows, fills, payoff."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from optionwriter.core.books.chains import Chain
from optionwriter.core.decide.state import AgentState
from optionwriter.core.market.instruments import parse_instrument
from optionwriter.core.report.decisions import plain
from optionwriter.core.report.detail import FillView, bundle_detail, position_detail
from optionwriter.core.report.payoff import Payoff, bundle_payoff, payoff_of
from optionwriter.core.report.views import ClosedPosition, OpenPosition, totals
from optionwriter.services.published.rows import Row, row_of, short, timed, when

Found = tuple[OpenPosition, ...] | tuple[ClosedPosition, ...]
DETAIL = "position/"  # heads the name of each position's own view


def positions(found: Found) -> Row:
    """Positions with their totals by settlement currency; a bundle is one row with its legs inside."""
    return table([position(one) for one in found], found)


def table(rows: Sequence[Row], found: Found) -> Row:
    """Rows that are made already, with the totals of what they are of."""
    return {"positions": list(rows), "totals": plain(totals(found))}


def position(one: OpenPosition | ClosedPosition) -> Row:
    """One position."""
    row = timed(row_of(one))
    row["legs"] = [timed(leg) for leg in row["legs"]]
    for name in row:
        if "_pct" in name:
            row[name] = short(row[name])
    return row


@dataclass(frozen=True, slots=True)
class Opened:
    """A position opened up, as long as the ledger says nothing new of its chains (a bundle has two)."""

    chains: tuple[Chain, ...]
    row: Row
    payoff: Payoff | None
    payoff_row: Row | None


def opened(
    chains: Sequence[Chain], fills_of: Callable[[str], Sequence[FillView]], before: Opened | None = None
) -> Opened:
    """The chains opened up, each with at least one leg; `before` while they are still those."""
    if before is not None and [id(one) for one in before.chains] == [id(one) for one in chains]:
        return before
    sides = [position_detail(one, fills_of(one.chain_id)) for one in chains]
    row = row_of(bundle_detail(sides) if chains[0].bundle else sides[0])
    for one in (*row["flows"], *row["fills"]):
        one["at"] = when(one["at_ms"])
    return Opened(tuple(chains), row, None, None)


def with_payoff(found: Opened, state: AgentState) -> Opened:
    """With the picture of the end, drawn anew when the spot has left its middle."""
    first = found.chains[0]
    spot = state.index(parse_instrument(first.legs[0].instrument).product.underlying)
    if spot is None:
        return replace(found, payoff=None, payoff_row=None)
    drawn = found.payoff
    if drawn is None or not drawn.shows(spot):
        drawn = (
            bundle_payoff(found.chains, spot, state.usdc_index)
            if first.bundle
            else payoff_of(first, spot, state.usdc_index)
        )
        if drawn is None:
            return replace(found, payoff=None, payoff_row=None)
        found = replace(found, payoff=drawn, payoff_row=_payoff(drawn))
    assert found.payoff_row is not None
    seen = {"at_ms": state.at_ms, "at": when(state.at_ms), "spot": float(spot)}
    return replace(found, payoff_row={**found.payoff_row, **seen})


def _payoff(drawn: Payoff) -> Row:
    return {
        "expiry": when(drawn.expiry_ms),
        "expiry_ms": drawn.expiry_ms,
        "underlying_price": _floats(drawn.underlying_price),
        "pnl": _floats(drawn.pnl, 8),
        "pnl_usd": _floats(drawn.pnl_usd, 2),
        "breakevens": _floats(drawn.breakevens),
        "breakevens_usd": _floats(drawn.breakevens_usd),
        "strikes": _floats(drawn.strikes),
    }


def _floats(numbers: Sequence[Decimal], digits: int = 8) -> list[float]:
    return [round(float(one), digits) for one in numbers]


def detail(row: Row, found: Opened) -> Row:
    """The view of one position: its row, and what opening it shows."""
    return {"position": row, **found.row, "payoff": found.payoff_row}
