"""Glimpses: what steps that are passed over show: prices, and the rows that are held. No states are built for them.

Who looks at states (curve, attribution, benchmarks) makes ready for such steps from the last state, by `passing`; each
look then gives, step after step, the very numbers that the steps' states would give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from optionwriter.core.market.chain import F64, I64


class Rows(NamedTuple):
    """One option over the steps (t,), in the units of OptionChain."""

    forward: F64
    mark: F64
    iv: F64


@dataclass(frozen=True, slots=True, eq=False)
class Glimpses:
    """Ascending steps (t,): `index` in USD by underlying, `rows` by the option's name."""

    at_ms: I64
    index: Mapping[str, F64]
    rows: Mapping[str, Rows]

    def price_usd(self, currency: str) -> F64 | None:
        """As AgentState.price_usd, at each step."""
        return np.ones(len(self.at_ms)) if currency == "USDC" else self.index.get(currency)

    def part(self, first: int, last: int) -> Glimpses:
        """The steps from `first` to `last`, without it, as views."""
        kept = slice(first, last)
        return Glimpses(
            self.at_ms[kept],
            {name: column[kept] for name, column in self.index.items()},
            {name: Rows(*(column[kept] for column in one)) for name, one in self.rows.items()},
        )


class Passing(Protocol):
    """Someone who looks at glimpses until something happens."""

    def look(self, seen: Glimpses) -> None:
        """Adds the steps."""
        ...
