"""income: weigh the best covered call against the best cash-secured put of each coin, and sell the better one.

Keeps: both sides stand on one menu for each underlying, scored by one function (edge on the collateral that the side
binds), so its chooser compares like with like; each side has its own chain, cover and slot.
"""

from __future__ import annotations

from collections.abc import Sequence

from optionwriter.core.decide.menu import Menu
from optionwriter.core.decide.risk import Capacity
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.base import StrategyConfig, Wait, Watch
from optionwriter.core.decide.strategies.waiting import writer_waits, writer_watches
from optionwriter.core.decide.strategies.writing import write_menus


class Income:
    """Writes inverse calls and linear puts."""

    writes: tuple[str, ...] = ("covered_call", "cash_secured_put")

    def propose(self, state: AgentState, config: StrategyConfig, capacity: Capacity) -> Sequence[Menu]:
        """One menu for each underlying. Errors: ConfigError when the configuration asks it to write one side only."""
        return write_menus(self.writes, state, config, capacity)

    def waits(self, state: AgentState, config: StrategyConfig, whole: frozenset[str]) -> Wait:
        """Whether every slot is taken and nothing can be done about what is held (base.Waiting)."""
        return writer_waits(self.writes, state, config, whole)

    def watches(self, state: AgentState, config: StrategyConfig) -> Watch | None:
        """The sold legs on which that rests, with every slot taken (base.Watching)."""
        return writer_watches(self.writes, state, config)
