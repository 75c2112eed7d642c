"""Menu: everything a strategy could do about one underlying now, and why it can't do the rest.

Owns MenuItem (a bundle of order legs with a size) and Rejected (columns: every candidate that is not an item, with
the first gate it failed, its value there, the threshold and a signed distance, negative because it failed).
Keeps: an item's parts add up to its score; keys are unique over all menus of a cycle; nothing outside can make an
item, because choosers answer with keys only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.books.account import Side
from optionwriter.core.books.facts import Action
from optionwriter.core.market.chain import F64, InstrumentTable
from optionwriter.core.market.instruments import parse_instrument

I8 = NDArray[np.int8]
ROWS = NDArray[np.intp]

# Gates in the order in which they are asked; a code is the place in this tuple. The first ten are the rules' own
# (rules.py), the rest belong to the building of items.
GATES = (
    "",
    "data",
    "dte",
    "delta",
    "otm",
    "ivrv",
    "quote",
    "premium",
    "spread",
    "liquidity",
    "roll_strike",
    "roll_expiry",
    "roll_cost",
    "taken",
    "slot",
    "size",
    "rank",
    "wing",  # the other leg of its bundle is missing
    "basis",  # below the wheel's cost basis
    "roll_dte",
    "roll_credit",
    "roll_spread",
    "roll_cover",
    "roll_cooldown",
)
GATE_CODE: Mapping[str, int] = {name: code for code, name in enumerate(GATES)}


class Size(StrEnum):
    """How much of what could be done an item does."""

    FULL = "full"
    HALF = "half"
    MINIMUM = "minimum"


_SIZE_RANK = {size: rank for rank, size in enumerate(Size)}


@dataclass(frozen=True, slots=True)
class OrderLeg:
    """One order of a bundle. `limit_price` is the worst price accepted, `start_price` where working begins.

    `reduce_only` legs close what we hold; in a roll they come first. `chain_id` where it is not the item's own: the two
    sides of a strangle are two chains.
    """

    instrument: str
    side: Side
    amount: Decimal
    limit_price: Decimal
    start_price: Decimal
    reduce_only: bool
    chain_id: str = ""


class Metrics(NamedTuple):
    """What an item's option looks like: floats, to show and to learn from, never to trade on."""

    delta: float
    dte: float
    premium_usd: float  # a coin, net of fee
    ivrv: float
    otm_pct: float
    spread: float  # share of the mark


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One thing that could be done. `chain_id` is "" when it opens a chain; `parts` add up to `score`.

    `reason` is the rule that asked for it, with the number that decided and its threshold.
    """

    key: str
    action: Action
    reason: str
    legs: tuple[OrderLeg, ...]
    size: Size
    score: float
    parts: tuple[tuple[str, float], ...]
    mandatory: bool
    metrics: Metrics
    chain_id: str = ""
    value: float = 0.0
    threshold: float = 0.0

    @property
    def opening_leg(self) -> OrderLeg | None:
        """The first leg that takes on new risk, None when the item only closes."""
        return next((leg for leg in self.legs if not leg.reduce_only), None)

    def chain_of(self, leg: OrderLeg) -> str:
        """The chain that the leg belongs to, "" when it opens one."""
        return leg.chain_id or self.chain_id

    @property
    def chains(self) -> tuple[str, ...]:
        """The chains that its legs name, each once."""
        return tuple(dict.fromkeys(chain for leg in self.legs if (chain := self.chain_of(leg))))


@dataclass(frozen=True, slots=True, eq=False)
class Rejected:
    """Candidates that are not on the menu, as columns of equal length; `rows` point into `table`."""

    table: InstrumentTable
    rows: ROWS
    gate: I8
    value: F64
    threshold: F64
    distance: F64

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def names(self) -> tuple[str, ...]:
        """Instrument names, in the columns' order."""
        names = self.table.names
        return tuple(names[row] for row in self.rows.tolist())


class Rejection(NamedTuple):
    """One rejected candidate, read out of the columns."""

    instrument: str
    gate: str
    value: float
    threshold: float
    distance: float


@dataclass(frozen=True, slots=True)
class Held:
    """What the rules say of a position of ours that stays as it is (or whose action is an item)."""

    chain_id: str
    instrument: str
    verdict: str  # hold, expire, take_profit, roll, close
    reason: str
    value: float
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class Menu:
    """A strategy's menu for one underlying at one instant."""

    strategy_id: str
    strategy_type: str
    underlying: str
    at_ms: int
    items: tuple[MenuItem, ...]
    rejected: tuple[Rejected, ...] = ()
    held: tuple[Held, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def item(self, key: str) -> MenuItem | None:
        """The item of that key, None when it is not on the menu."""
        return next((one for one in self.items if one.key == key), None)

    def counts_by_gate(self) -> dict[str, int]:
        """How many candidates failed first at each gate, in the gates' order."""
        total = np.zeros(len(GATES), dtype=np.int64)
        for part in self.rejected:
            total += np.bincount(part.gate, minlength=len(GATES))
        return {name: int(total[code]) for code, name in enumerate(GATES) if total[code]}

    def nearest(self, n: int) -> list[Rejection]:
        """The `n` rejected candidates that came furthest: by the gate reached, then by the distance to passing it."""
        found: list[tuple[int, float, str, Rejection]] = []
        for part in self.rejected:
            order = np.lexsort((-part.distance, -part.gate.astype(np.int64)))[:n]
            for place in order.tolist():
                name = part.table.names[int(part.rows[place])]
                code = int(part.gate[place])
                distance = float(part.distance[place])
                one = Rejection(
                    name, GATES[code], float(part.value[place]), float(part.threshold[place]), distance
                )
                found.append((-code, -distance, name, one))
        found.sort(key=lambda entry: entry[:3])
        return [entry[3] for entry in found[:n]]


def ranking(item: MenuItem) -> tuple[float, int, Decimal, int, str]:
    """Sort key, best first: score, then earlier expiry, lower strike, larger size, key.

    An item is placed by the option it opens, or else by the one it closes.
    """
    leg = item.opening_leg or item.legs[0]
    option = parse_instrument(leg.instrument)
    return (-item.score, option.expiry_ms, option.strike, _SIZE_RANK[item.size], item.key)


def ordered(items: Iterable[MenuItem]) -> tuple[MenuItem, ...]:
    """Items best first."""
    return tuple(sorted(items, key=ranking))
