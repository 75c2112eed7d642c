"""A spread's numbers against hand arithmetic, and the compiled rules against plain Python."""

from __future__ import annotations

import math
import random

import pytest

from optionwriter.core.compiled import plain
from optionwriter.core.decide.rules import Candidate
from optionwriter.core.decide.scoring import ScoreParams
from optionwriter.core.decide.wings import (
    Wing,
    edge_part,
    net_credit_usd,
    spread_edge,
    spread_width,
    width_part,
    wing_cost,
)

NAN, INF = math.nan, math.inf
CALL = Candidate(True, True, 110_000.0, 100_200.0, 100_000.0, 10.0, 0.5, 0.4, 0.2, 0.009, 0.011, 5.0, 100.0)
PUT = CALL._replace(is_call=False, is_inverse=False, strike=90_000.0, bid=910.0, ask=1_090.0)
ABOVE, BELOW = Wing(120_000.0, 0.003, 0.004), Wing(80_000.0, 250.0, 300.0)
PARAMS = ScoreParams()


def test_the_credit_is_what_is_left_after_both_fees() -> None:
    # 0.009 - 0.0003 - 0.004 - 0.0003 of a coin at 100,000
    assert net_credit_usd(CALL, ABOVE) == pytest.approx(440.0)
    assert wing_cost(CALL, Wing(120_000.0, NAN, 0.0008)) == pytest.approx(0.0009)  # an eighth is the cap
    # 910 - 30 - 300 - 30
    assert net_credit_usd(PUT, BELOW) == pytest.approx(550.0)


def test_the_width_is_that_of_both_quotes_on_the_net_middle() -> None:
    assert spread_width(CALL, ABOVE) == pytest.approx((0.002 + 0.001) / (0.010 - 0.0035))
    assert spread_width(CALL, Wing(120_000.0, NAN, 0.004)) == pytest.approx((0.002 + 0.004) / (0.010 - 0.002))
    assert spread_width(CALL, Wing(120_000.0, 0.010, 0.011)) == INF  # nothing is left in the middle
    assert width_part(CALL, Wing(120_000.0, 0.010, 0.011), PARAMS) == -PARAMS.spread_weight


def test_a_dearer_wing_costs_edge_by_the_year_and_by_the_whole_collateral() -> None:
    dearer = ABOVE._replace(ask=0.005)
    # 0.001 of the coin that a call binds, 36.5 times a year
    assert spread_edge(CALL, ABOVE) - spread_edge(CALL, dearer) == pytest.approx(0.001 * 36.5)
    # 9 USDC of the 90,000 that the put binds, though the wing caps its loss at 10,000
    fall = spread_edge(PUT, BELOW) - spread_edge(PUT, BELOW._replace(ask=309.0))
    assert fall == pytest.approx(9 / 90_000 * 36.5)
    assert edge_part(CALL, dearer, PARAMS) < edge_part(CALL, ABOVE, PARAMS)


def test_a_wing_at_its_fair_value_costs_only_its_fee() -> None:
    """Fair values by the error function, at 40 % over ten days."""

    def fair(strike: float) -> float:
        total = 0.4 * math.sqrt(10 / 365)
        up = math.log(100_200 / strike) / total + total / 2
        cdf = [0.5 * math.erfc(-x / math.sqrt(2)) for x in (up, up - total)]
        return (100_200 * cdf[0] - strike * cdf[1]) / 100_200

    worth = fair(104_000.0)
    sale = CALL._replace(bid=fair(110_000.0))
    edge = spread_edge(sale, Wing(104_000.0, NAN, worth))
    fees = 0.0003 + min(0.0003, 0.125 * sale.bid)
    assert edge == pytest.approx(-fees * 36.5, rel=1e-6)


def test_a_linear_wing_at_its_fair_value_costs_only_its_fee() -> None:
    """As above for puts, in USDC: the coin's price at the index."""
    total = 0.4 * math.sqrt(10 / 365)

    def fair(strike: float) -> float:
        down = math.log(strike / 100_200) / total + total / 2
        cdf = [0.5 * math.erfc(-x / math.sqrt(2)) for x in (down, down - total)]
        return (strike * cdf[0] - 100_200 * cdf[1]) / 100_200 * 98_000

    sale = PUT._replace(forward=100_200.0, index_price=98_000.0, bid=fair(90_000.0))
    edge = spread_edge(sale, Wing(86_000.0, NAN, fair(86_000.0)))
    fees = min(0.0003 * 98_000, 0.125 * sale.bid) + min(0.0003 * 98_000, 0.125 * fair(86_000.0))
    assert edge == pytest.approx(-fees / 90_000 * 36.5, rel=1e-6)


@pytest.mark.parametrize(
    "wing", [Wing(120_000.0, 0.003, NAN), Wing(120_000.0, 0.003, 0.0), Wing(NAN, NAN, INF)]
)
def test_without_an_ask_there_is_no_credit_and_the_worst_part(wing: Wing) -> None:
    assert math.isnan(net_credit_usd(CALL, wing))
    assert edge_part(CALL, wing, PARAMS) == -PARAMS.edge_weight
    assert width_part(CALL, wing, PARAMS) == -PARAMS.spread_weight


def test_compiled_and_plain_agree_on_anything() -> None:
    rng = random.Random(5)
    odd = (NAN, INF, -INF, 0.0, -1.0, 1e-300, 1e300)

    def number(low: float, high: float) -> float:
        return rng.choice(odd) if rng.random() < 0.08 else rng.uniform(low, high)

    for _ in range(4_000):
        inverse = rng.random() < 0.5
        top = 0.1 if inverse else 5_000.0
        sale = Candidate(
            inverse, inverse, number(5e4, 2e5), number(5e4, 2e5), number(5e4, 2e5), number(0, 60), number(0.1, 2),
            number(0.1, 2), number(0, 1), number(0, top), number(0, top), number(0, 9), number(0, 999),
        )  # fmt: skip
        wing = Wing(number(5e4, 2e5), number(0, top), number(0, top))
        for rule in (wing_cost, net_credit_usd, spread_edge, spread_width):
            one, other = rule(sale, wing), plain(rule)(sale, wing)
            assert one == pytest.approx(other, rel=1e-12, nan_ok=True), (rule, sale, wing)
        for part in (edge_part, width_part):
            one, other = part(sale, wing, PARAMS), plain(part)(sale, wing, PARAMS)
            assert one == pytest.approx(other, rel=1e-12, nan_ok=True), (part, sale, wing)
            weight = max(PARAMS.edge_weight, PARAMS.spread_weight)
            assert abs(one) <= weight
