"""Parity: the agent over HTTP, the exchange's clock frozen in flight, and the agent in one process with the engine.

Both leave the same facts, recorded time apart. PARITY_DAYS names how many days.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import pytest
from simulation.runs import simulate
from simulation.wire_runs import pair, simulate_over_http

from optionwriter.core.books.facts import Fact, Filled, OrderClosed, Settled

pytestmark = pytest.mark.slow
DAYS = float(os.environ.get("PARITY_DAYS", "5"))
STRATEGIES = Path(__file__).parents[1] / "simulation"


def first_divergence(one: tuple[Fact, ...], other: tuple[Fact, ...]) -> str:
    """The first fact that differs, in words; "" when none does."""
    for a, b in zip_longest(one, other):
        left, right = (None if fact is None else replace(fact, recorded_ms=0) for fact in (a, b))
        if left != right:
            return f"in-process {left}\nover HTTP  {right}"
    return ""


@pytest.mark.parametrize("strategies", ["strategies.toml", "restless.toml"], ids=["calm", "restless"])
def test_the_same_facts_by_http_and_in_process(tmp_path: Path, strategies: str) -> None:
    path = STRATEGIES / strategies
    here = simulate(tmp_path / "here", DAYS, live=True, settings={"strategies_file": path})
    with pair(tmp_path / "there", path, speed=1e6, frozen=True) as both:
        both.start_exchange()
        there = simulate_over_http(both, DAYS)
    assert (difference := first_divergence(here.facts, there)) == "", difference
    kinds = Counter(type(fact.body) for fact in there)
    assert kinds[Filled] and kinds[Settled if strategies == "strategies.toml" else OrderClosed]
    print(f"\n{DAYS:g} days, {strategies}: {len(there)} facts, all the same; {kinds[Filled]} fills, "
          f"{kinds[Settled]} settlements")  # fmt: skip
