"""Fills: at which price an order is done on paper, and whether it is done at all.

- cross: at the other side's price
- mid: in the middle; share: `spread_share` of the spread away from the other side; both always
- probability: as share, if it comes to that within `wait_minutes`, by the measured chance of it (chances); else the
  order rests at its own limit, and fills like every resting one when the quotes come to it

A side that nobody quotes never fills, whatever the model; a price between ticks goes to the worse one.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from optionwriter.adapters.paper.chances import chance_of_fill, drawn, share_kept
from optionwriter.adapters.paper.tape import PaperQuote
from optionwriter.core.books.account import Side

Kind = Literal["cross", "mid", "share", "probability"]
_SHARES = {"cross": Decimal(0), "mid": Decimal("0.5")}
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class FillModel:
    """How paper fills. Errors: ValueError for a share outside [0, 1], or a wait that is not above 0."""

    kind: Kind = "cross"
    spread_share: Decimal = _ZERO
    wait_minutes: float = 15.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.spread_share <= 1:
            raise ValueError(f"spread_share is {self.spread_share}: it must lie between 0 and 1")
        if not self.wait_minutes > 0:
            raise ValueError(f"wait_minutes is {self.wait_minutes}: it must be above 0")

    def taken(self, quote: PaperQuote, side: Side, at_ms: int) -> tuple[Decimal | None, Decimal]:
        """(price, size) at which a new order of `side` is done now; None where it is not."""
        price, size = quote.opposite(side, _SHARES.get(self.kind, self.spread_share))
        if self.kind != "probability" or price is None or quote.bid is None or quote.ask is None:
            return price, size
        share = share_kept(side, price, quote.bid, quote.ask)
        chance = chance_of_fill(side, share, self.wait_minutes)
        lucky = drawn(self.seed, quote.option.name, side, at_ms) < chance
        return (price, size) if lucky else (None, _ZERO)

    def reached(self, quote: PaperQuote, side: Side) -> tuple[Decimal | None, Decimal]:
        """(price, size) that an order that rests meets."""
        share = _ZERO if self.kind == "probability" else _SHARES.get(self.kind, self.spread_share)
        return quote.opposite(side, share)
