"""ε-greedy choice: the chances are those that are logged, and nothing but seed, strategy and instant moves a draw."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from optionwriter.core.decide.choosing import NOTHING, ChoiceParams, choose_best
from optionwriter.core.decide.exploring import EpsilonGreedy, draw_from, seeded
from optionwriter.core.decide.menu import Menu, MenuItem
from tests.core.decide.worlds import NOW, buy_back, item, sell

PARAMS = ChoiceParams(0.35)


def offered(name: str, score: float, coin: str = "BTC") -> MenuItem:
    return replace(item(sell(name, "0.1", "0.005"), key=f"cc/{coin}/open/{name}"), score=score)


ITEMS = tuple(
    offered(f"BTC-17JAN26-{strike}-C", score)
    for strike, score in ((100_000, 0.6), (102_000, 0.4), (104_000, 0.2))
)
BTC = Menu("cc", "covered_call", "BTC", NOW, ITEMS)
ETH = Menu("cc", "covered_call", "ETH", NOW, (offered("ETH-17JAN26-3600-C", 0.1, "ETH"),))
MUST = replace(
    BTC,
    items=(
        *ITEMS,
        item(buy_back("BTC-17JAN26-98000-C", "0.1", "0.01"), key="cc/BTC/close/x", mandatory=True),
    ),
)


def at(menu: Menu, k: int) -> Menu:
    return replace(menu, at_ms=NOW + k * 60_000)


def test_draws_come_as_often_as_their_logged_chances_say() -> None:
    epsilon, n = 0.3, 3_000
    chooser = EpsilonGreedy(epsilon, seeded(7))
    draws = [chooser([at(BTC, k)], PARAMS).draws[0] for k in range(n)]
    expected = {ITEMS[0].key: 0.7 + 0.075, ITEMS[1].key: 0.075, ITEMS[2].key: 0.075, NOTHING: 0.075}
    seen = Counter(one.key for one in draws)
    for key, chance in expected.items():
        assert abs(seen[key] / n - chance) < 4 * sqrt(chance * (1 - chance) / n)
    assert all(one.chances == pytest.approx(expected) for one in draws)
    assert all(one.propensity == pytest.approx(expected[one.key]) for one in draws)
    assert abs(sum(one.explored for one in draws) / n - epsilon) < 4 * sqrt(0.21 / n)


def test_nothing_is_chosen_greedily_below_the_least_score_but_can_be_drawn() -> None:
    draw = draw_from(ETH, PARAMS, 0.5, np.random.default_rng(1))
    assert draw.chances == pytest.approx({ETH.items[0].key: 0.25, NOTHING: 0.75})


def test_a_run_twice_draws_alike_whatever_went_before() -> None:
    one = [EpsilonGreedy(0.5, seeded(3))([at(BTC, k), at(ETH, k)], PARAMS) for k in range(200)]
    again = EpsilonGreedy(0.5, seeded(3))
    backwards = [again([at(ETH, k), at(BTC, k)], PARAMS) for k in reversed(range(200))]
    assert [c.keys for c in one] == [c.keys for c in reversed(backwards)]
    other = [EpsilonGreedy(0.5, seeded(4))([at(BTC, k), at(ETH, k)], PARAMS) for k in range(200)]
    assert [c.keys for c in one] != [c.keys for c in other]


def test_the_answer_over_two_menus_is_as_likely_as_both_its_parts() -> None:
    chooser = EpsilonGreedy(0.4, seeded(2))
    for k in range(50):
        choice = chooser([at(BTC, k), at(ETH, k)], PARAMS)
        btc, eth = choice.draws
        assert choice.propensity == pytest.approx(btc.propensity * eth.propensity)
        assert (choice.support, choice.explored) == (8, btc.explored or eth.explored)
        assert set(choice.keys) == {one.key for one in choice.draws} - {NOTHING}
        assert choice.chance("BTC", ITEMS[0].key) == pytest.approx(0.7)
        assert choice.chance("BTC", "made/up") == 0.0 and np.isnan(choice.chance("SOL", "x"))


def test_what_must_be_done_leaves_nothing_to_chance() -> None:
    choice = EpsilonGreedy(1.0, seeded(1))([MUST], PARAMS)
    assert (choice.keys, choice.propensity, choice.support, choice.explored) == ((), 1.0, 1, False)


def test_without_epsilon_it_is_the_greedy_chooser() -> None:
    shown = [BTC, ETH]
    greedy, explorer = choose_best(shown, PARAMS), EpsilonGreedy(0.0, seeded(1))(shown, PARAMS)
    assert (greedy.keys, greedy.propensity, greedy.support) == ((ITEMS[0].key,), 1.0, 1)
    assert (explorer.keys, explorer.propensity, explorer.support, explorer.note) == (greedy.keys, 1.0, 1, "")


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, float("nan")])
def test_epsilon_is_a_share(epsilon: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        EpsilonGreedy(epsilon, seeded(1))
