"""Glimpse: what a step that is passed over shows: prices, and the rows that are held. No state is built for it.

Who looks at states (curve, attribution, benchmarks) makes ready for such steps from the last state, by `passing`; each
look then gives the very numbers that the step's state would give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, Protocol

_USDC = Decimal(1)


class Row(NamedTuple):
    """One option, in the units of OptionChain."""

    forward: float
    mark: float
    iv: float
    ask: float


@dataclass(frozen=True, slots=True, eq=False)
class Glimpse:
    """`index` in USD by underlying, `rows` by the option's name."""

    at_ms: int
    index: Mapping[str, Decimal]
    rows: Mapping[str, Row]

    def price_usd(self, currency: str) -> Decimal | None:
        """As AgentState.price_usd."""
        return _USDC if currency == "USDC" else self.index.get(currency)


class Passing(Protocol):
    """Someone who looks at glimpses until something happens."""

    def look(self, seen: Glimpse) -> None:
        """Adds the instant."""
        ...
