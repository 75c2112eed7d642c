"""A seat at the desk, and what it put forward this cycle."""

from __future__ import annotations

from dataclasses import dataclass

from optionwriter.core.decide.choosing import ChoiceParams, Chooser
from optionwriter.core.decide.menu import Menu
from optionwriter.core.decide.strategies.base import Strategy, StrategyConfig


@dataclass(frozen=True, slots=True)
class Seat:
    """A strategy instance at the desk."""

    strategy: Strategy
    config: StrategyConfig
    choose: Chooser
    choice: ChoiceParams


@dataclass(frozen=True, slots=True)
class Proposed:
    """What one seat put forward: its menus, the keys chosen, or why it could not."""

    seat: Seat
    menus: tuple[Menu, ...]
    chosen: tuple[str, ...]
    failure: str = ""
