"""Choosing: from menus to the keys of what is to be done.

A chooser answers with an ordered tuple of item keys, usually none or one. Mandatory items (defensive) bypass it and
come first. What is not on the menu is no trade and no error: nobody can invent a symbol or a size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from optionwriter.core.decide.menu import Menu, MenuItem, ordered


@dataclass(frozen=True, slots=True)
class ChoiceParams:
    """`min_score`: below it nothing is chosen."""

    min_score: float


Chooser = Callable[[Sequence[Menu], ChoiceParams], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Proposal:
    """One item that was chosen, on its way to risk."""

    strategy_id: str
    strategy_type: str
    underlying: str
    item: MenuItem


def choose_best(menus: Sequence[Menu], params: ChoiceParams) -> tuple[str, ...]:
    """Of each menu its best item at or above `min_score`, best first; ties: earlier expiry, lower strike.

    A menu with a mandatory item gives no other: what must be done comes before what could be.
    """
    best: list[MenuItem] = []
    for menu in menus:
        if any(item.mandatory for item in menu.items):
            continue
        able = [item for item in menu.items if math.isfinite(item.score) and item.score >= params.min_score]
        best.extend(ordered(able)[:1])
    return tuple(item.key for item in ordered(best))


def proposals(menus: Sequence[Menu], chosen: Iterable[str]) -> tuple[Proposal, ...]:
    """Mandatory items first, in the menus' order, then the chosen keys that are on a menu, each once."""
    on_menu = {item.key: _proposal(menu, item) for menu in menus for item in menu.items}
    picked: dict[str, Proposal] = {
        key: proposal for key, proposal in on_menu.items() if proposal.item.mandatory
    }
    for key in chosen:
        if key in on_menu:
            picked.setdefault(key, on_menu[key])
    return tuple(picked.values())


def off_menu(menus: Sequence[Menu], chosen: Iterable[str]) -> tuple[str, ...]:
    """The chosen keys that no menu has: ignored, but worth a line in the log."""
    known = {item.key for menu in menus for item in menu.items}
    return tuple(key for key in chosen if key not in known)


def _proposal(menu: Menu, item: MenuItem) -> Proposal:
    return Proposal(menu.strategy_id, menu.strategy_type, menu.underlying, item)
