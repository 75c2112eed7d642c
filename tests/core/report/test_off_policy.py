"""Off-policy evaluation: another chooser's true value is found in the log of an exploring one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from optionwriter.core.decide.choosing import NOTHING, ChoiceParams, Draw, choose_best
from optionwriter.core.decide.exploring import EpsilonGreedy, seeded
from optionwriter.core.decide.menu import Menu, MenuItem, Metrics
from optionwriter.core.report.off_policy import OffPolicyError, inverse_propensity
from tests.core.decide.worlds import NOW, item, sell

NAMES = [f"BTC-17JAN26-{strike}-C" for strike in range(96_000, 108_000, 2_000)]
PARAMS = ChoiceParams(0.3)
DECISIONS = 6_000


@cache
def menus() -> list[Menu]:
    """Menus of one to six calls with random scores and deltas."""
    chance = np.random.default_rng(5)
    found = []
    for k in range(DECISIONS):
        items = [
            replace(
                item(sell(name, "0.1", "0.005"), key=f"cc/BTC/open/{name}"),
                score=float(chance.random()),
                metrics=Metrics(float(chance.uniform(0.05, 0.5)), 9.0, 100.0, 1.2, 5.0, 0.05),
            )
            for name in NAMES[: int(chance.integers(1, 7))]
        ]
        found.append(Menu("cc", "covered_call", "BTC", NOW + k * 3_600_000, tuple(items)))
    return found


def mean_reward(one: MenuItem | None) -> float:
    """What an answer is worth on average: nothing for nothing, else against what the score says."""
    return 0.0 if one is None else 2.0 * one.metrics.delta - 0.8 * one.score


def least_delta(menu: Menu) -> str:
    """Another chooser: the least delta, but nothing above 0.3."""
    best = min(menu.items, key=lambda one: one.metrics.delta)
    return best.key if best.metrics.delta < 0.3 else NOTHING


@cache
def logged(epsilon: float) -> tuple[list[Menu], list[Draw], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    shown = menus()
    chooser = EpsilonGreedy(epsilon, seeded(1))
    draws = [chooser([menu], PARAMS).draws[0] for menu in shown]
    noise = np.random.default_rng(9).normal(0.0, 0.3, len(shown))
    rewards = noise + np.array([mean_reward(m.item(d.key)) for m, d in zip(shown, draws, strict=True)])
    return shown, draws, rewards


def targets(shown: Sequence[Menu], draws: Sequence[Draw]) -> list[float]:
    return [float(least_delta(menu) == draw.key) for menu, draw in zip(shown, draws, strict=True)]


def test_another_choosers_true_value_is_recovered_within_its_standard_error() -> None:
    shown, draws, rewards = logged(0.4)
    true = float(np.mean([mean_reward(menu.item(least_delta(menu))) for menu in shown]))
    wanted = targets(shown, draws)
    for normalised in (False, True):
        found = inverse_propensity(rewards, [one.propensity for one in draws], wanted, normalised=normalised)
        assert abs(found.value - true) < 3 * found.standard_error
        assert 0 < found.standard_error < 0.04 and 200 < found.effective < found.decisions
    # without the propensities the log tells another story: the logging chooser's own
    assert abs(float(rewards.mean()) - true) > 5 * found.standard_error
    matching = rewards[np.array(wanted) > 0]
    assert 300 < len(matching) < len(rewards)


def test_the_standard_error_is_what_repeating_it_shows() -> None:
    shown, draws, rewards = logged(0.4)
    wanted, propensity = np.array(targets(shown, draws)), np.array([one.propensity for one in draws])
    parts = [inverse_propensity(rewards[k::40], propensity[k::40], wanted[k::40]) for k in range(40)]
    spread = np.std([one.value for one in parts], ddof=1)
    assert spread == pytest.approx(np.mean([one.standard_error for one in parts]), rel=0.35)


def test_the_logging_choosers_own_value_is_the_plain_mean() -> None:
    shown, draws, rewards = logged(0.4)
    own = [one.propensity for one in draws]
    found = inverse_propensity(rewards, own, own)
    assert found.value == pytest.approx(float(rewards.mean()))
    assert found.effective == pytest.approx(len(shown))


def test_a_greedy_log_says_nothing_of_another_chooser() -> None:
    shown, draws, rewards = logged(0.0)
    assert all(one.propensity == 1.0 and not one.explored for one in draws)
    assert [one.key for one in draws] == [
        next(iter(choose_best([menu], PARAMS).keys), NOTHING) for menu in shown
    ]
    never = [0.0] * len(draws)
    with pytest.raises(OffPolicyError, match="none of the logged answers"):
        inverse_propensity(rewards, [one.propensity for one in draws], never)


@pytest.mark.parametrize(
    ("rewards", "propensities", "wanted", "says"),
    [
        ([1.0, 2.0], [0.5], [1.0, 1.0], "one length"),
        ([1.0], [0.5], [1.0], "above 1"),
        ([1.0, float("nan")], [0.5, 0.5], [1.0, 1.0], "no number"),
        ([1.0, 2.0], [0.5, 0.0], [1.0, 1.0], "not above 0"),
        ([1.0, 2.0], [0.5, 0.5], [1.0, 1.5], "no probability"),
    ],
)
def test_bad_logs_are_refused(
    rewards: list[float], propensities: list[float], wanted: list[float], says: str
) -> None:
    with pytest.raises(OffPolicyError, match=says):
        inverse_propensity(rewards, propensities, wanted)
