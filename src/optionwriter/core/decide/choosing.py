"""Choosing: from menus to the keys of what is to be done.

A chooser answers with an ordered tuple of item keys, usually none or one. Mandatory items (defensive) bypass it and
come first. What is not on the menu is no trade and no error: nobody can invent a symbol or a size. Every answer says
how likely it was, menu by menu, so that logged decisions can be evaluated for another chooser.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from optionwriter.core.decide.menu import Menu, MenuItem, ordered
from optionwriter.core.market.instruments import InstrumentError, parse_instrument

NOTHING = ""  # the key of doing nothing


@dataclass(frozen=True, slots=True)
class ChoiceParams:
    """`min_score`: below it nothing is chosen."""

    min_score: float


@dataclass(frozen=True, slots=True)
class Draw:
    """What was drawn from one menu: `chances` are the probabilities of every single answer that had one, by key."""

    underlying: str
    key: str  # NOTHING for none
    chances: Mapping[str, float]
    explored: bool = False

    @property
    def propensity(self) -> float:
        """How likely this answer was."""
        return self.chances.get(self.key, 0.0)


@dataclass(frozen=True, slots=True)
class Choice:
    """A chooser's answer: the keys in the order in which they are to be judged, and how it came about.

    `propensity` is the probability with which this chooser, shown these menus, gives exactly this answer: 1 when it
    leaves nothing to chance. `draws` split it by menu; where there are some, their product is `propensity`.
    """

    keys: tuple[str, ...] = ()
    propensity: float = 1.0
    explored: bool = False
    note: str = ""
    draws: tuple[Draw, ...] = ()
    because: Mapping[str, str] = field(default_factory=dict)  # by key, in words, where there is more to say

    @property
    def support(self) -> int:
        """How many answers had a chance above 0."""
        return math.prod(sum(chance > 0 for chance in one.chances.values()) for one in self.draws)

    def chance(self, underlying: str, key: str) -> float:
        """How likely the key was to be chosen. Without draws nothing was left to chance: 1 or 0."""
        if not self.draws:
            return 1.0 if key in self.keys else 0.0
        for one in self.draws:
            if one.underlying == underlying:
                return one.chances.get(key, 0.0)
        return math.nan


Chooser = Callable[[Sequence[Menu], ChoiceParams], Choice]


@dataclass(frozen=True, slots=True)
class Proposal:
    """One item that was chosen, on its way to risk."""

    strategy_id: str
    strategy_type: str
    underlying: str
    item: MenuItem


def best_of(menu: Menu, params: ChoiceParams) -> MenuItem | None:
    """The menu's best item at or above `min_score`; ties: earlier expiry, lower strike. None: do nothing.

    A menu with a mandatory item gives no other: what must be done comes before what could be.
    """
    if any(item.mandatory for item in menu.items):
        return None
    able = [item for item in menu.items if math.isfinite(item.score) and item.score >= params.min_score]
    return ordered(able)[0] if able else None


def choose_best(menus: Sequence[Menu], params: ChoiceParams) -> Choice:
    """Of each menu its best item, best first. Nothing is left to chance."""
    best = [(menu, best_of(menu, params)) for menu in menus]
    draws = tuple(
        Draw(menu.underlying, item.key if item else NOTHING, {item.key if item else NOTHING: 1.0})
        for menu, item in best
    )
    return Choice(tuple(item.key for item in ordered(one for _, one in best if one)), draws=draws)


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


def sift(strategy_id: str, menus: Iterable[Menu]) -> tuple[tuple[Menu, ...], tuple[str, ...]]:
    """The menus with everything left out that can't be the strategy's own, and a sentence for each thing left out.

    Left out: menus under another's name, a second menu of an underlying, items whose key is not headed by the
    strategy's id or stands there twice, items without legs or with legs that are no options, scores that are no
    numbers (unless mandatory: those are not ranked).
    """
    kept: list[Menu] = []
    problems: list[str] = []
    seen: set[str] = set()
    for menu in menus:
        if menu.strategy_id != strategy_id or any(one.underlying == menu.underlying for one in kept):
            problems.append(
                f"a menu of {menu.strategy_id} on {menu.underlying} is not {strategy_id}'s, or a second"
            )
            continue
        items = []
        for item in menu.items:
            why = _unfit(strategy_id, item, seen)
            seen.add(item.key)
            if why:
                problems.append(f"{item.key}: {why}")
            else:
                items.append(item)
        kept.append(menu if len(items) == len(menu.items) else _with(menu, items))
    return tuple(kept), tuple(problems)


def _unfit(strategy_id: str, item: MenuItem, seen: set[str]) -> str:
    if not item.key.startswith(f"{strategy_id}/"):
        return f"not an item of {strategy_id}"
    if item.key in seen:
        return "its key stands there twice"
    if not item.legs:
        return "it has no legs"
    if not item.mandatory and not math.isfinite(item.score):
        return f"its score is {item.score}"
    try:
        for leg in item.legs:
            parse_instrument(leg.instrument)
    except InstrumentError as error:
        return str(error)
    return ""


def _with(menu: Menu, items: Sequence[MenuItem]) -> Menu:
    return replace(menu, items=tuple(items))


def _proposal(menu: Menu, item: MenuItem) -> Proposal:
    return Proposal(menu.strategy_id, menu.strategy_type, menu.underlying, item)
