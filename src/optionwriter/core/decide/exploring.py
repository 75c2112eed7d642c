"""Exploring: ε-greedy choice from the menus, with the probability of every answer.

From each menu by itself: with probability ε one answer of all that there are, each as likely (every item, also those
below the least score, and doing nothing); else the best one. So every answer that any chooser could give to the same
menu has a probability above 0, which is what evaluating another chooser from the log needs (core/report/off_policy).
A menu with a mandatory item leaves no choice and nothing to chance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from optionwriter.core.decide.choosing import NOTHING, Choice, ChoiceParams, Draw, best_of
from optionwriter.core.decide.menu import Menu, ordered

Chance = Callable[[Menu], np.random.Generator]


@dataclass(frozen=True, slots=True)
class EpsilonGreedy:
    """A chooser. `chance` gives each menu its own generator, so that no draw depends on any other."""

    epsilon: float
    chance: Chance

    def __post_init__(self) -> None:
        if not 0.0 <= self.epsilon <= 1.0:
            raise ValueError(f"epsilon {self.epsilon} is no share: between 0 and 1")

    def __call__(self, menus: Sequence[Menu], params: ChoiceParams) -> Choice:
        """One draw a menu; the keys best first."""
        draws = tuple(draw_from(menu, params, self.epsilon, self.chance(menu)) for menu in menus)
        keys = {one.key for one in draws if one.key != NOTHING}
        items = ordered(item for menu in menus for item in menu.items if item.key in keys)
        chosen = {one.key: one for one in draws}
        return Choice(
            keys=tuple(item.key for item in items),
            propensity=float(np.prod([one.propensity for one in draws])),
            explored=any(one.explored for one in draws),
            note="; ".join(
                f"{one.underlying}: drawn by chance from {len(one.chances)} answers"
                + ("" if one.key else ", to do nothing")
                for one in draws
                if one.explored
            ),
            draws=draws,
            because={
                item.key: f"drawn by chance (p = {chosen[item.key].propensity:.4f})"
                for item in items
                if chosen[item.key].explored
            },
        )


def draw_from(menu: Menu, params: ChoiceParams, epsilon: float, generator: np.random.Generator) -> Draw:
    """The answer to one menu and the chances of all answers; they add up to 1."""
    best = best_of(menu, params)
    greedy = best.key if best is not None else NOTHING
    if any(item.mandatory for item in menu.items):
        return Draw(menu.underlying, NOTHING, {NOTHING: 1.0})
    answers = [*(item.key for item in ordered(menu.items)), NOTHING]
    chances = dict.fromkeys(answers, epsilon / len(answers))
    chances[greedy] += 1.0 - epsilon
    explored = bool(generator.random() < epsilon)
    key = answers[int(generator.integers(len(answers)))] if explored else greedy
    return Draw(
        menu.underlying, key, {one: chance for one, chance in chances.items() if chance > 0}, explored
    )


def seeded(seed: int) -> Chance:
    """Generators from seed, strategy, underlying and instant alone: a run twice draws alike, whatever went before."""

    def chance(menu: Menu) -> np.random.Generator:
        words = f"{seed}\n{menu.strategy_id}\n{menu.underlying}\n{menu.at_ms}"
        return np.random.default_rng(int.from_bytes(hashlib.sha256(words.encode()).digest()[:16], "big"))

    return chance
