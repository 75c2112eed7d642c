"""Rows: between the run database's columns and the values that the program knows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from optionwriter.core.report.run import ChainRow, MetricRow, Plain, Provenance, RunSpec, RunState, RunStatus

Row = Mapping[str, Any]


def as_json(value: object) -> str:
    """Canonical text: sorted keys, no spaces. Errors: ValueError for what JSON can't hold (a NaN, say)."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except TypeError as error:
        raise ValueError(f"a run's values must be such as JSON can hold: {error}") from None


def spec_columns(spec: RunSpec) -> dict[str, Any]:
    """A spec as columns."""
    return {
        "name": spec.name,
        "source": spec.source,
        "strategy": spec.strategy,
        "underlyings": f",{','.join(spec.underlyings)},",
        "start_ms": spec.start_ms,
        "end_ms": spec.end_ms,
        "seed": spec.seed,
        "driver": spec.driver,
        "run_group": spec.group,
        "config": as_json(spec.config),
    }


def spec_of(row: Row) -> RunSpec:
    """The spec of a row of backtest_runs."""
    return RunSpec(
        name=row["name"],
        source=row["source"],
        strategy=row["strategy"],
        underlyings=tuple(one for one in row["underlyings"].split(",") if one),
        start_ms=row["start_ms"],
        end_ms=row["end_ms"],
        seed=row["seed"],
        config=json.loads(row["config"]),
        driver=row["driver"],
        group=row["run_group"],
    )


def state_of(row: Row) -> RunState:
    """A row of backtest_runs."""
    known = row["data_fingerprint"] is not None
    settings = json.loads(row["settings"] or "{}")
    return RunState(
        id=row["id"],
        spec=spec_of(row),
        status=RunStatus(row["status"]),
        created_ms=row["created_ms"],
        started_ms=row["started_ms"],
        finished_ms=row["finished_ms"],
        attempts=row["attempts"],
        worker=row["worker"],
        lease_until_ms=row["lease_until_ms"],
        progress=row["progress"],
        progress_text=row["progress_text"],
        cancel_requested=row["cancel_requested"],
        error=row["error"],
        provenance=Provenance(row["data_fingerprint"], row["code_version"], settings) if known else None,
    )


def metric_columns(run_id: int, one: MetricRow) -> dict[str, Any]:
    """A metric as columns; what is no finite number is NULL."""
    return {
        "run_id": run_id,
        "exit_style": one.exit_style,
        "currency": one.currency,
        "name": one.name,
        "value": _finite(one.value),
        "error": _finite(one.error),
    }


def metric_of(row: Row) -> MetricRow:
    """A row of backtest_metrics."""
    return MetricRow(row["exit_style"], row["currency"], row["name"], row["value"], row["error"])


def chain_columns(run_id: int, place: int, one: ChainRow) -> dict[str, Any]:
    """A chain as columns."""
    return {
        "run_id": run_id,
        "exit_style": one.exit_style,
        "place": place,
        "chain_id": one.chain_id,
        "strategy_id": one.strategy_id,
        "strategy_type": one.strategy_type,
        "underlying": one.underlying,
        "option_type": one.option_type,
        "currency": one.currency,
        "opened_ms": one.opened_ms,
        "closed_ms": one.closed_ms,
        "pnl": one.pnl,
        "pnl_usd": one.pnl_usd,
        "detail": as_json(one.detail),
    }


def chain_of(row: Row) -> ChainRow:
    """A row of backtest_chains."""
    return ChainRow(
        exit_style=row["exit_style"],
        chain_id=row["chain_id"],
        strategy_id=row["strategy_id"],
        strategy_type=row["strategy_type"],
        underlying=row["underlying"],
        option_type=row["option_type"],
        currency=row["currency"],
        opened_ms=row["opened_ms"],
        closed_ms=row["closed_ms"],
        pnl=row["pnl"],
        pnl_usd=row["pnl_usd"],
        detail=json.loads(row["detail"]),
    )


def curve_of(row: Row) -> Mapping[str, Plain]:
    """A row of backtest_curves: its columns."""
    found: Mapping[str, Plain] = json.loads(row["columns"])
    return found


def returns_of(row: Row) -> tuple[float, ...]:
    """A row of backtest_returns: its numbers."""
    return tuple(float(one) for one in json.loads(row["over_holding"]))


def _finite(value: float | None) -> float | None:
    # SQLite knows no negative zero, PostgreSQL does: both get the other one.
    return value + 0.0 if value is not None and math.isfinite(value) else None
