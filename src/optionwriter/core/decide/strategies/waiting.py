"""Waiting: when a writer has nothing to propose, told from its books and the quotes of what it holds.

Its menus are empty of items where every slot is taken and the rules let every sold leg be. Whether a leg is due is
asked of the same rule that manages it (managing.py); what is due may yet find no roll: that is for the menu to tell.
"""

from __future__ import annotations

from collections.abc import Sequence

from optionwriter.core.books.chains import Chain
from optionwriter.core.decide.managing import EXPIRE, HOLD, manage
from optionwriter.core.decide.state import AgentState, UnderlyingState
from optionwriter.core.decide.strategies.base import WRITES, StrategyConfig, Writes, product_of
from optionwriter.core.decide.strategies.judging import holding_at
from optionwriter.core.decide.strategies.view import forecast_volatility
from optionwriter.core.decide.strategies.writing import own_chains


def writer_waits(kinds: Sequence[str], state: AgentState, config: StrategyConfig) -> bool:
    """Whether a strategy that writes `kinds` and nothing else has nothing to propose (base.Waiting)."""
    return sorted(config.writes) == sorted(kinds) and all(
        _kind_waits(state, config, underlying, WRITES[name])
        for underlying in config.underlyings
        for name in config.writes
    )


def _kind_waits(state: AgentState, config: StrategyConfig, underlying: str, writes: Writes) -> bool:
    code = product_of(writes, underlying).code
    found = state.underlyings.get(underlying)
    if found is None or code not in found.chains:
        return False
    chains = own_chains(state, config, code, writes)
    return len(chains) >= config.max_chains and all(
        _chain_waits(state, config, found, code, one) for one in chains
    )


def _chain_waits(
    state: AgentState, config: StrategyConfig, underlying: UnderlyingState, product_code: str, chain: Chain
) -> bool:
    """Whether the rules let every sold leg of the chain be."""
    realised = forecast_volatility(underlying.context)
    quotes = underlying.chains[product_code]
    return all(
        manage(holding_at(state.at_ms, underlying, quotes, realised, leg), config.manage).verdict
        in (HOLD, EXPIRE)
        for leg in chain.open_legs
        if leg.position < 0
    )
