"""Screening a chain: the same answers as the rules asked one by one, on a delta of the textbook."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optionwriter.core.compiled import plain
from optionwriter.core.decide.rules import Candidate, GateParams, gate
from optionwriter.core.decide.scoring import ScoreParams, market_tilt, score, total
from optionwriter.core.decide.screening import screen
from optionwriter.core.market.instruments import MS_PER_DAY
from tests.core.decide.test_scoring import black76
from tests.core.decide.worlds import NOW, chain_at, with_column

GATES, WEIGHTS = GateParams(), ScoreParams()


@pytest.mark.parametrize(
    ("code", "is_call"), [("BTC", True), ("BTC", False), ("BTC_USDC", True), ("BTC_USDC", False)]
)
def test_every_row_as_the_rules_say(code: str, is_call: bool) -> None:
    chain = chain_at(code)
    chain = with_column(chain, "bid", chain.table.names[200 if is_call else 201], float("nan"))
    chain = with_column(chain, "mark_iv", chain.table.names[202 if is_call else 203], float("nan"))
    found = screen(chain, is_call, 0.40, GATES, WEIGHTS)
    gates = set()
    for row, name in enumerate(chain.table.names):
        if bool(chain.table.is_call[row]) is not is_call:
            assert found.gate[row] == -1
            continue
        days = (int(chain.table.expiry_ms[row]) - NOW) / MS_PER_DAY
        forward, strike = float(chain.forward[row]), float(chain.table.strike[row])
        step = forward * 1e-4  # delta as the slope of the textbook's price
        iv = float(chain.mark_iv[row])
        delta = float("nan")
        if iv > 0:
            up = black76(forward + step, strike, days / 365, iv, is_call)
            down = black76(forward - step, strike, days / 365, iv, is_call)
            delta = abs(up - down) / (2 * step)
            assert found.metrics[row, 0] == pytest.approx(delta, abs=2e-5)
            delta = float(found.metrics[row, 0])
        one = Candidate(
            is_call, code == "BTC", strike, forward, chain.index_price, days, iv, 0.40, delta,
            float(chain.bid[row]), float(chain.ask[row]), float(chain.bid_size[row]), float(chain.open_interest[row]),
        )  # fmt: skip
        verdict = plain(gate)(one, GATES)
        assert found.gate[row] == verdict.gate, name
        assert tuple(found.verdict[row]) == pytest.approx(tuple(verdict)[1:])
        gates.add(verdict.gate)
        if verdict.gate == 0:
            parts = score(one, market_tilt(math.nan), WEIGHTS)
            assert tuple(found.parts[row]) == pytest.approx(tuple(parts))
            assert found.score[row] == total(parts)
        else:
            assert found.score[row] == -np.inf
    assert {0, 1, 2, 3} <= gates


def test_the_instant_of_the_decision_counts_not_the_chains() -> None:
    chain = chain_at()
    late = screen(chain, True, 0.40, GATES, WEIGHTS, NOW + MS_PER_DAY)
    assert late.metrics[0, 1] == pytest.approx(screen(chain, True, 0.40, GATES, WEIGHTS).metrics[0, 1] - 1)
