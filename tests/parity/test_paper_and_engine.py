"""Parity: the paper broker on the tape and the live broker on the engine decide and earn the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from simulation.runs import simulate

from optionwriter.core.books.facts import Decided, Fact, Filled, IntentPrepared, Settled

pytestmark = pytest.mark.slow
DAYS = 21


def steps(facts: tuple[Fact, ...]) -> Iterator[tuple[object, ...]]:
    """What must be equal: decisions, intents, fills and settlements, with money; ids of the venue left out."""
    for fact in facts:
        body = fact.body
        if isinstance(body, Decided):
            yield (fact.at_ms, "decided", body.chosen, body.refused, body.fingerprint)
        elif isinstance(body, IntentPrepared):
            yield (fact.at_ms, "intent", body.intent)
        elif isinstance(body, Filled):
            yield (fact.at_ms, "filled", body.label, body.amount, body.price, body.cash, body.fee, body.index)
        elif isinstance(body, Settled):
            yield (
                fact.at_ms,
                "settled",
                body.instrument,
                body.position,
                body.delivery_price,
                body.payoff,
                body.fee,
            )


def first_divergence(one: tuple[Fact, ...], other: tuple[Fact, ...]) -> str:
    """The first step that differs, in words; "" when none does."""
    left, right = list(steps(one)), list(steps(other))
    for place, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return f"step {place}:\n  engine {a}\n  paper  {b}"
    return "" if len(left) == len(right) else f"{len(left)} steps on the engine, {len(right)} on paper"


def test_same_decisions_same_coin(tmp_path: Path) -> None:
    engine = simulate(tmp_path / "engine", DAYS, live=True)
    paper = simulate(tmp_path / "paper", DAYS, live=False)
    assert (difference := first_divergence(engine.facts, paper.facts)) == "", difference
    assert engine.book.cash == paper.book.cash
    assert any(isinstance(fact.body, Filled) for fact in paper.facts)


def test_bundles_too(tmp_path: Path) -> None:
    """Strangles and spreads: wings first, both currencies, settlements of both legs."""
    rules = Path(__file__).parents[2] / "config" / "presets" / "research_strategies.toml"
    settings: dict[str, object] = {"strategies_file": rules}
    engine = simulate(tmp_path / "engine", 6, live=True, settings=settings)
    paper = simulate(tmp_path / "paper", 6, live=False, settings=settings)
    assert (difference := first_divergence(engine.facts, paper.facts)) == "", difference
    assert engine.book.cash == paper.book.cash
    kinds = {chain.strategy_type for chain in paper.book.chains.values()}
    assert kinds == {"strangle", "call_spread"}
