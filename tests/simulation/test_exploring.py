"""Exploring on the recorded market: a run twice is the same to the byte, and its log can be evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from simulation.runs import fingerprint, simulate

from optionwriter.bootstrap.parts import LOG_FOLDER

pytestmark = pytest.mark.slow
SETTINGS: dict[str, object] = {"explore_epsilon": 0.5, "explore_seed": 11}


def test_a_run_twice_is_identical_and_its_propensities_add_up(tmp_path: Path) -> None:
    prints = []
    for name in ("a", "b"):
        folder = tmp_path / name
        prints.append(fingerprint(folder, simulate(folder, 6, live=True, settings=SETTINGS)))
    assert prints[0] == prints[1]
    other = simulate(tmp_path / "c", 2, live=True, settings={**SETTINGS, "explore_seed": 12})
    assert fingerprint(tmp_path / "c", other)["facts"] != prints[0]["facts"]

    logs = tmp_path / "a" / LOG_FOLDER
    lines = [
        json.loads(one)
        for path in sorted(logs.glob("agent_decisions_*.jsonl"))
        for one in path.read_text().splitlines()
    ]
    explored = [one for one in lines if one["choice"]["explored"]]
    assert len(lines) > 40 and len(lines) / 4 < len(explored) < len(lines)
    parts = [*logs.glob("candidates_*.parquet"), *logs.glob("candidates_*.parts/*.parquet")]
    table = pl.concat([pl.read_parquet(one) for one in parts], how="diagonal_relaxed")
    offered = table.filter(pl.col("gate") == "")
    assert table.filter(pl.col("gate") != "")["propensity"].max() == 0.0
    # the chances of a menu's items, and of doing nothing, are one whole
    draws = {
        (line["decision_id"], one["underlying"]): one for line in lines for one in line["choice"]["draws"]
    }
    found = {
        (row["decision_id"], row["underlying"]): row["propensity"]
        for row in offered.group_by("decision_id", "underlying").agg(pl.col("propensity").sum()).to_dicts()
    }
    assert len(found) >= 5
    for place, chances in found.items():
        assert chances + draws[place]["nothing"] == pytest.approx(1.0)
