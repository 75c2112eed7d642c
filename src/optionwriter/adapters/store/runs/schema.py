"""Schema: the run database's tables, the same in SQLite and PostgreSQL; Alembic's migrations make them.

JSON is text with sorted keys, so that equal values are equal bytes in either database; money is decimal text; a
number that can't be known is NULL (a NaN would compare differently in both).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()
_ID = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER counts up by itself in SQLite

runs = Table(
    "backtest_runs",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("name", String(200), nullable=False),
    Column("source", String(40), nullable=False),
    Column("strategy", String(80), nullable=False),
    Column("underlyings", String(200), nullable=False),  # comma-separated, with one at either end
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("driver", String(20), nullable=False),
    Column("run_group", String(80), nullable=False),
    Column("config", Text, nullable=False),
    Column("status", String(12), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("started_ms", BigInteger),
    Column("finished_ms", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("worker", String(120), nullable=False),
    Column("lease_until_ms", BigInteger),
    Column("progress", Double, nullable=False),
    Column("progress_text", String(300), nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("error", Text, nullable=False),
    Column("data_fingerprint", String(80)),
    Column("code_version", String(80)),
    Column("notes", Text, nullable=False),
    Column("settings", Text),
    Index("ix_backtest_runs_status", "status", "id"),
    Index("ix_backtest_runs_group", "run_group"),
)


def _run_id() -> Column[int]:
    return Column(
        "run_id", _ID, ForeignKey("backtest_runs.id", ondelete="CASCADE"), primary_key=True, nullable=False
    )


metrics = Table(
    "backtest_metrics",
    metadata,
    _run_id(),
    Column("exit_style", String(40), primary_key=True),
    Column("currency", String(12), primary_key=True),
    Column("name", String(80), primary_key=True),
    Column("value", Double),
    Column("error", Double),
)

chains = Table(
    "backtest_chains",
    metadata,
    _run_id(),
    Column("exit_style", String(40), primary_key=True),
    Column("place", Integer, primary_key=True),  # the order in which the run told them
    Column("chain_id", String(80), nullable=False),
    Column("strategy_id", String(80), nullable=False),
    Column("strategy_type", String(40), nullable=False),
    Column("underlying", String(20), nullable=False),
    Column("option_type", String(20), nullable=False),
    Column("currency", String(12), nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("closed_ms", BigInteger),
    Column("pnl", String(60), nullable=False),
    Column("pnl_usd", String(80), nullable=False),
    Column("detail", Text, nullable=False),
)

curves = Table(
    "backtest_curves",
    metadata,
    _run_id(),
    Column("exit_style", String(40), primary_key=True),
    Column("columns", Text, nullable=False),
)

returns = Table(
    "backtest_returns",
    metadata,
    _run_id(),
    Column("exit_style", String(40), primary_key=True),
    Column("over_holding", Text, nullable=False),  # a number a day
)
