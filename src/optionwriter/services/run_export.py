"""Run export: a stored run as plain values, JSON and CSV, the same from the command line and over HTTP."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

from optionwriter.core.report.decisions import plain
from optionwriter.core.report.run import RunState
from optionwriter.ports import RunStore

USD = "USD"
HEADLINE = ("net_profit", "total_return", "max_drawdown", "sharpe", "over_holding", "trades")


def run_row(store: RunStore, state: RunState) -> dict[str, Any]:
    """Everything of a run but its curves and positions, plain."""
    return {
        "run": plain(state),
        "metrics": [plain(one) for one in store.metrics(state.id)],
        "positions": len(store.chains(state.id)),
        "notes": store.notes(state.id).splitlines(),
    }


def whole_run(store: RunStore, state: RunState) -> dict[str, Any]:
    """Everything of a run, plain."""
    whole = run_row(store, replace(state, lease_until_ms=None))
    whole["positions"] = [plain(one) for one in store.chains(state.id)]
    whole["curves"] = plain(store.curves(state.id))
    return whole


def run_json(store: RunStore, state: RunState) -> str:
    """Everything of a run as a JSON document."""
    return json.dumps(whole_run(store, state), indent=1, sort_keys=True)


def headline(store: RunStore, run_id: int) -> list[dict[str, Any]]:
    """What a list says of a run: for each exit style the first metrics in USD, with Sharpe's standard error."""
    found: dict[str, dict[str, Any]] = {}
    for one in store.metrics(run_id):
        if one.currency == USD and one.name in HEADLINE:
            row = found.setdefault(one.exit_style, {"exit_style": one.exit_style, "sharpe_error": None})
            row[one.name] = one.value
            if one.name == "sharpe":
                row["sharpe_error"] = one.error
    return [{**dict.fromkeys(HEADLINE), **row} for row in found.values()]


def chains_csv(store: RunStore, run_id: int) -> str:
    """The positions, a line each."""
    text = io.StringIO()
    names = ("exit_style", "chain_id", "strategy_id", "strategy_type", "underlying", "option_type", "currency",
             "opened_ms", "closed_ms", "pnl", "pnl_usd")  # fmt: skip
    beside = ("repriced", "converted")  # how many of its fills were
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*names, *beside))
    for one in store.chains(run_id):
        told = [one.detail.get(name, "") for name in beside]
        writer.writerow([*(getattr(one, name) for name in names), *told])
    return text.getvalue()
