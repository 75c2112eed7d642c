"""A seat at the desk, and what it put forward this cycle."""

from __future__ import annotations

from dataclasses import dataclass, field

from optionwriter.core.decide.choosing import Choice, ChoiceParams, Chooser
from optionwriter.core.decide.menu import Menu
from optionwriter.core.decide.strategies.base import Strategy, StrategyConfig


@dataclass(frozen=True, slots=True)
class Seat:
    """A strategy instance at the desk. `chooser` names who chooses and `epsilon` how often by chance, to be shown."""

    strategy: Strategy
    config: StrategyConfig
    choose: Chooser
    choice: ChoiceParams
    chooser: str = "rules"
    epsilon: float = 0.0


@dataclass(frozen=True, slots=True)
class Proposed:
    """What one seat put forward: its menus and its choice, or why it could not.

    `dropped` says what of its menus could not be its own, and was left out.
    """

    seat: Seat
    menus: tuple[Menu, ...]
    choice: Choice = field(default_factory=Choice)
    failure: str = ""
    dropped: tuple[str, ...] = ()

    @property
    def chosen(self) -> tuple[str, ...]:
        """The keys chosen."""
        return self.choice.keys
