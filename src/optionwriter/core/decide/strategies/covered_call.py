"""covered_call: sell calls in coin against the coins held, one chain at a time, and manage it to its end."""

from __future__ import annotations

from collections.abc import Sequence

from optionwriter.core.decide.menu import Menu
from optionwriter.core.decide.risk import Capacity
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.base import StrategyConfig, Wait, Watch
from optionwriter.core.decide.strategies.waiting import writer_waits, writer_watches
from optionwriter.core.decide.strategies.writing import write_menus


class CoveredCall:
    """Writes calls only; what it writes is the inverse product of each underlying."""

    writes: tuple[str, ...] = ("covered_call",)

    def propose(self, state: AgentState, config: StrategyConfig, capacity: Capacity) -> Sequence[Menu]:
        """One menu for each underlying. Errors: ConfigError when the configuration asks it to write anything else."""
        return write_menus(self.writes, state, config, capacity)

    def waits(self, state: AgentState, config: StrategyConfig, whole: frozenset[str]) -> Wait:
        """Whether every slot is taken and nothing can be done about what is held (base.Waiting)."""
        return writer_waits(self.writes, state, config, whole)

    def watches(self, state: AgentState, config: StrategyConfig) -> Watch | None:
        """The sold legs on which that rests, with every slot taken (base.Watching)."""
        return writer_watches(self.writes, state, config)
