"""Every candidate of a decision as columns: what was on the menu, what was not and why, and its quotes.

The columns are the training rows' source: chosen, offered and rejected stand in one table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.decide.choosing import Choice
from optionwriter.core.decide.menu import GATES, Menu, Rejected
from optionwriter.core.decide.state import AgentState
from optionwriter.core.market.chain import F64, OptionChain
from optionwriter.core.market.instruments import MS_PER_DAY, parse_instrument

Column = Sequence[object] | NDArray[np.generic]
_NAN = float("nan")


def candidate_columns(
    state: AgentState, menus: Sequence[Menu], chosen: Collection[str], choice: Choice | None = None
) -> Mapping[str, Column]:
    """Columns of equal length over all menus: items first, then rejected.

    `gate` is "" for what was on the menu; `key` and `score` are empty and NaN for what was not; `iv` is a fraction,
    prices are in the settlement currency, `distance` is negative by how far the gate was missed. `propensity` is how
    likely the chooser was to take that row: 0 for what was not on the menu, NaN where nobody says.
    """
    rows: dict[str, list[object]] = {name: [] for name in _NAMES}
    for menu in menus:
        for item in menu.items:
            leg = item.opening_leg or item.legs[0]
            option = parse_instrument(leg.instrument)
            chain = state.chain(option.product.code)
            row = chain.table.row_of.get(leg.instrument) if chain else None
            quotes = _quotes(chain, row) if chain is not None and row is not None else (_NAN,) * len(_QUOTED)
            dte = option.days_to_expiry(state.at_ms)
            _add(
                rows,
                (
                    menu.underlying,
                    leg.instrument,
                    item.key,
                    item.key in chosen,
                    "",
                    _NAN,
                    _NAN,
                    _NAN,
                    item.score,
                    dte,
                    _NAN if choice is None else choice.chance(menu.underlying, item.key),
                ),
                quotes,
            )
        for part in menu.rejected:
            _add_rejected(rows, menu, part, state)
    return rows


_NAMES = (
    "underlying", "instrument", "key", "chosen", "gate", "value", "threshold", "distance", "score", "dte",
    "propensity", "bid", "ask", "mark", "iv", "forward", "bid_size", "open_interest",
)  # fmt: skip


_QUOTED = _NAMES[-7:]


def _quoted(chain: OptionChain) -> tuple[F64, ...]:
    """The columns of _QUOTED."""
    return (
        chain.bid, chain.ask, chain.mark, chain.mark_iv, chain.forward, chain.bid_size, chain.open_interest,
    )  # fmt: skip


def _add(rows: dict[str, list[object]], head: tuple[object, ...], quotes: tuple[float, ...]) -> None:
    for name, value in zip(_NAMES, (*head, *quotes), strict=True):
        rows[name].append(value)


def _quotes(chain: OptionChain, row: int) -> tuple[float, ...]:
    return tuple(float(column[row]) for column in _quoted(chain))


def _add_rejected(rows: dict[str, list[object]], menu: Menu, part: Rejected, state: AgentState) -> None:
    count = len(part)
    chain = state.chain(part.table.product.code)
    where = part.rows
    rows["underlying"] += [menu.underlying] * count
    rows["instrument"] += list(part.names)
    rows["key"] += [""] * count
    rows["chosen"] += [False] * count
    rows["gate"] += [GATES[code] for code in part.gate.tolist()]
    for name, column in (("value", part.value), ("threshold", part.threshold), ("distance", part.distance)):
        rows[name] += column.tolist()
    rows["score"] += [_NAN] * count
    rows["dte"] += ((part.table.expiry_ms[where] - state.at_ms) / MS_PER_DAY).tolist()
    rows["propensity"] += [0.0] * count
    shown = chain if chain is not None and chain.table.names == part.table.names else None
    for name, values in zip(_QUOTED, _quoted(shown) if shown else (None,) * len(_QUOTED), strict=True):
        rows[name] += values[where].tolist() if values is not None else [_NAN] * count
