"""External: the options on the account that are not ours: shown and counted by risk, never touched."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.decide.crossing import exact
from optionwriter.core.decide.state import AgentState, HeldOption


@dataclass(frozen=True, slots=True)
class ExternalPosition:
    """An option of the account, or the part of it, that is not ours. `worth` is at its mark, negative when owed."""

    instrument: str
    amount: Decimal
    option_type: str
    strike: Decimal
    expiry_ms: int
    mark: Decimal | None
    worth: Decimal | None
    worth_usd: Decimal | None
    currency: str


def external_positions(state: AgentState) -> tuple[ExternalPosition, ...]:
    """The options on the account that are not ours, by name; what no product is known of is `state.foreign`."""
    return tuple(_external(one, state) for one in state.held if one.external)


def _external(one: HeldOption, state: AgentState) -> ExternalPosition:
    currency = one.option.product.settlement_currency
    mark = exact(one.mark) if math.isfinite(one.mark) else None
    price = state.price_usd(currency)
    worth = None if mark is None else one.external * mark
    return ExternalPosition(
        instrument=one.option.name,
        amount=one.external,
        option_type=str(one.option.option_type),
        strike=one.option.strike,
        expiry_ms=one.option.expiry_ms,
        mark=mark,
        worth=worth,
        worth_usd=None if worth is None or price is None else worth * price,
        currency=currency,
    )
