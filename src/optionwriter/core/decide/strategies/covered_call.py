"""covered_call: sell calls in coin against the coins held, one chain at a time, and manage it to its end."""

from __future__ import annotations

from collections.abc import Sequence

from optionwriter.core.decide.menu import Menu
from optionwriter.core.decide.risk import Capacity
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.base import ConfigError, StrategyConfig
from optionwriter.core.decide.strategies.writing import write_menu


class CoveredCall:
    """Writes calls only; what it writes is the inverse product of each underlying."""

    def propose(self, state: AgentState, config: StrategyConfig, capacity: Capacity) -> Sequence[Menu]:
        """One menu for each underlying. Errors: ConfigError when the configuration asks it to write anything else."""
        if config.writes != ("covered_call",):
            raise ConfigError(f"{config.id}: a covered_call strategy writes covered_call and nothing else")
        return [write_menu(state, config, capacity, underlying) for underlying in config.underlyings]
