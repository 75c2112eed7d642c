"""A strategy from outside: one class, one registry entry, one table, and it trades beside the shipped ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from simulation.runs import Ran, simulate

from optionwriter.adapters.files.decision_log import read_decisions
from optionwriter.bootstrap.parts import LOG_FOLDER, BootError
from optionwriter.core.books.facts import Filled
from optionwriter.core.decide.menu import Menu, MenuItem, ordered
from optionwriter.core.decide.risk import Capacity
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies import registry
from optionwriter.core.decide.strategies.base import StrategyConfig
from optionwriter.core.decide.strategies.writing import write_menus
from optionwriter.core.market.instruments import parse_instrument

TABLES = """
[income]
kind = "income"
underlyings = ["BTC"]

[patient]
kind = "longest_call"
underlyings = ["ETH"]
min_score = -1.0
size_cap = 3
"""


class LongestCall:
    """Sells the call that ends last, the one thing no shipped strategy asks for."""

    writes: tuple[str, ...] = ("covered_call",)

    def propose(self, state: AgentState, config: StrategyConfig, capacity: Capacity) -> Sequence[Menu]:
        return [
            replace(menu, items=ordered(self._by_length(item) for item in menu.items))
            for menu in write_menus(self.writes, state, config, capacity)
        ]

    def _by_length(self, item: MenuItem) -> MenuItem:
        if item.chain_id:
            return item
        length = item.metrics.dte / 100.0
        return replace(item, score=length, parts=(("length", length),))


def run(folder: Path) -> Ran:
    tables = folder / "strategies.toml"
    tables.write_text(TABLES, encoding="utf-8")
    return simulate(folder / "run", 0.2, live=False, settings={"strategies_file": tables})


def test_an_added_strategy_trades_beside_the_shipped_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.STRATEGIES, "longest_call", LongestCall())  # the registry line
    ran = run(tmp_path)
    fills = [(fact.strategy_id, fact.body) for fact in ran.facts if isinstance(fact.body, Filled)]
    assert {strategy for strategy, _ in fills} == {"income", "patient"}
    assert all(body.instrument.startswith("BTC") for strategy, body in fills if strategy == "income")
    (log,) = (tmp_path / "run" / LOG_FOLDER).glob("agent_decisions_*.jsonl")
    records = read_decisions(log).records
    assert [one["strategy_id"] for one in records[:2]] == ["income", "patient"]
    first = next(one for one in records if one["strategy_id"] == "patient")
    expiries = {
        item["key"]: parse_instrument(item["legs"][0]["instrument"]).expiry_ms for item in first["menu"]
    }
    (chosen,) = first["final"]["keys"]
    assert expiries[chosen] == max(expiries.values()) > min(expiries.values())
    assert first["menu"][0]["parts"].keys() == {"length"}
    ours = next(body for strategy, body in fills if strategy == "patient")
    assert ours.instrument.startswith("ETH-") and ours.amount <= 3
    assert not any(cycle.failures or cycle.differences for cycle in ran.cycles)


def test_without_its_registry_line_it_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BootError, match="unknown strategy kind 'longest_call': known are"):
        run(tmp_path)
