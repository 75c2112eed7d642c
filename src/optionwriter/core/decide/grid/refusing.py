"""Refusing: what the compiled driver does not take, by name. Everything else is the event driver's.

Bounds: one instance of covered_call, cash_secured_put or income on one underlying, a call and a put chain at most,
orders that cross, fills that are certain, no limits of the strategy's own.
"""

from __future__ import annotations

from decimal import Decimal

from optionwriter.core.decide.limits import Limits
from optionwriter.core.decide.strategies.base import StrategyConfig, Style
from optionwriter.core.market.instruments import OptionType

KINDS = ("covered_call", "cash_secured_put", "income")
SHARES = {"cross": Decimal(0), "mid": Decimal("0.5")}
FILLS = (*SHARES, "share")


def why_not(config: StrategyConfig, limits: Limits, fill: str) -> str | None:
    """The first thing about the instance that the loop does not take, in words; None when it takes all of it."""
    if config.kind not in KINDS:
        return f"{config.id} is of kind {config.kind}: compiled are {', '.join(KINDS)}"
    if len(config.underlyings) != 1:
        return f"{config.id} writes on {len(config.underlyings)} underlyings: compiled is one"
    if config.chooser != "rules":
        return f"{config.id} is chosen for by {config.chooser}: compiled are the rules"
    if config.style is Style.MID:
        return f"{config.id} places its orders at the middle, where they may rest: compiled are orders that cross"
    if fill not in FILLS:
        return f"fills are by {fill}: compiled are {', '.join(FILLS)}"
    for kind in OptionType:
        if min(limits.chains(kind), config.max_chains) > 1:
            return f"{config.id} may hold several {kind} chains: compiled is one"
    own = [name for name, _ in (*config.limits.stated(), *limits.bounds_of(config.id).stated())]
    if own:
        return f"{config.id} has limits of its own ({own[0]}): compiled are the account's"
    return None


def fill_share(fill: str, spread_share: Decimal) -> Decimal:
    """The share of the spread that fills keep. Errors: KeyError for a fill that is not compiled."""
    return spread_share if fill == "share" else SHARES[fill]
