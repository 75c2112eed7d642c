"""Bundle: what the strategies that sell more than one leg share: finding a sale's wing, pricing and scoring both.

Keeps: a wing is of the sale's product, type and expiry, further out, quoted, and nobody's; the parts of a spread's
score have the single sale's names and still add up to it; the sale's gates come first, the wing's after them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from optionwriter.core.books.account import Side
from optionwriter.core.decide.cover import fee_bound
from optionwriter.core.decide.crossing import exact
from optionwriter.core.decide.menu import Held, Menu, MenuItem, OrderLeg, Rejected, ordered
from optionwriter.core.decide.rules import PASSED, Candidate
from optionwriter.core.decide.scoring import PART_NAMES, ScoreParts, total
from optionwriter.core.decide.screening import METRIC_NAMES, Screen
from optionwriter.core.decide.state import price_of
from optionwriter.core.decide.strategies.opening import fail
from optionwriter.core.decide.strategies.view import View, leg_of
from optionwriter.core.decide.wings import Wing, edge_part, net_credit_usd, spread_width, width_part
from optionwriter.core.market.instruments import Family, parse_instrument

_EDGE, _SPREAD = PART_NAMES.index("edge"), PART_NAMES.index("spread")
_PREMIUM, _WIDTH = METRIC_NAMES.index("premium_usd"), METRIC_NAMES.index("spread")


@dataclass(slots=True)
class Draft:
    """A menu being put together."""

    items: list[MenuItem]
    rejected: list[Rejected]
    held: list[Held]
    notes: list[str]

    def menu(self, view: View) -> Menu:
        """The finished menu, best item first."""
        return Menu(
            strategy_id=view.config.id,
            strategy_type=view.config.kind,
            underlying=view.product.underlying,
            at_ms=view.state.at_ms,
            items=ordered(self.items),
            rejected=tuple(self.rejected),
            held=tuple(self.held),
            notes=tuple(self.notes),
        )


def candidate_of(view: View, row: int) -> Candidate:
    """One row of the chain as the rules see it."""
    chain = view.chain
    _, iv, delta = price_of(chain, row, view.state.at_ms)
    return Candidate(
        is_call=view.is_call,
        is_inverse=view.product.family is Family.INVERSE,
        strike=float(chain.table.strike[row]),
        forward=float(chain.forward[row]),
        index_price=float(chain.index_price),
        days_to_expiry=parse_instrument(chain.table.names[row]).days_to_expiry(view.state.at_ms),
        iv=iv,
        realised=view.realised,
        delta=abs(delta),
        bid=float(chain.bid[row]),
        ask=float(chain.ask[row]),
        bid_size=float(chain.bid_size[row]),
        open_interest=float(chain.open_interest[row]),
    )


def quoted_wing(view: View, row: int) -> Wing:
    """One row of the chain as the wing of a sale."""
    chain = view.chain
    return Wing(float(chain.table.strike[row]), float(chain.bid[row]), float(chain.ask[row]))


def wing_row(view: View, row: int) -> int | None:
    """The wing of the sale in `row`: of what can be bought further out, the nearest to the configured place.

    `wing_delta` above 0 aims at that delta, else `wing_width` is the distance in shares of the sold strike; of two
    that are as near, the nearer strike.
    """
    table, ask, params = view.chain.table, view.chain.ask, view.config.bundle
    strike, sign = float(table.strike[row]), 1.0 if view.is_call else -1.0
    fits = (table.is_call == view.is_call) & (table.expiry_ms == table.expiry_ms[row]) & (ask > 0)
    rows = np.flatnonzero(fits & ((table.strike - strike) * sign > 0)).tolist()
    found: list[tuple[float, float, int]] = []
    for one in rows:
        if table.names[one] in view.capacity.taken:
            continue
        far = abs(float(table.strike[one]) - strike)
        if params.wing_delta > 0:
            _, _, delta = price_of(view.chain, one, view.state.at_ms)
            off = abs(abs(delta) - params.wing_delta)
        else:
            off = abs(far / strike - params.wing_width)
        if math.isfinite(off):
            found.append((off, far, one))
    return min(found)[2] if found else None


def pair(view: View, screened: Screen, wing: int | None = None) -> Mapping[int, int]:
    """Gives every row that passed its wing, and scores the two; the others fail at `wing` or, with too little left
    of the premium, at `premium`. With `wing` it is that one for all."""
    wings: dict[int, int] = {}
    table, params = view.chain.table, view.config.bundle
    sign = 1.0 if view.is_call else -1.0
    for row in np.flatnonzero(screened.gate == PASSED).tolist():
        found = wing_row(view, row) if wing is None else wing
        gap = 0.0 if found is None else (float(table.strike[found]) - float(table.strike[row])) * sign
        if found is None or gap <= 0 or table.expiry_ms[found] != table.expiry_ms[row]:
            fail(screened, row, "wing", 0.0, 1.0, -1.0)
            continue
        sale, other = candidate_of(view, row), quoted_wing(view, found)
        credit = float(net_credit_usd(sale, other))
        if not credit >= params.min_credit_usd:
            short = credit - params.min_credit_usd if math.isfinite(credit) else -1e6
            fail(screened, row, "premium", credit, params.min_credit_usd, short)
            continue
        wings[row] = found
        screened.parts[row, _EDGE] = edge_part(sale, other, view.config.score)
        screened.parts[row, _SPREAD] = width_part(sale, other, view.config.score)
        screened.score[row] = total(ScoreParts._make(screened.parts[row].tolist()))
        screened.metrics[row, _PREMIUM] = credit
        screened.metrics[row, _WIDTH] = spread_width(sale, other)
    return wings


def bought(view: View, row: int, amount: Decimal) -> OrderLeg:
    """The order that buys a wing; where nobody bids, its price is the ask."""
    if view.chain.bid[row] > 0:
        return leg_of(view, row, Side.BUY, amount, reduce_only=False)
    ask = view.product.floor_price(exact(float(view.chain.ask[row])))
    return OrderLeg(view.chain.table.names[row], Side.BUY, amount, ask, ask, False)


def wing_claim(leg: OrderLeg) -> Decimal:
    """What buying one coin of a wing takes of the cover, settlement currency: its price and the most it can cost."""
    return leg.limit_price + fee_bound(parse_instrument(leg.instrument), leg.limit_price)
