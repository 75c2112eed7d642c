"""Runs, their metrics, chains and curves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _run_id() -> sa.Column[int]:
    return sa.Column("run_id", _ID, sa.ForeignKey("backtest_runs.id", ondelete="CASCADE"), primary_key=True)


def upgrade() -> None:
    op.create_table(
        "backtest_runs",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("strategy", sa.String(80), nullable=False),
        sa.Column("underlyings", sa.String(200), nullable=False),
        sa.Column("start_ms", sa.BigInteger, nullable=False),
        sa.Column("end_ms", sa.BigInteger, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("driver", sa.String(20), nullable=False),
        sa.Column("run_group", sa.String(80), nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("started_ms", sa.BigInteger),
        sa.Column("finished_ms", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(120), nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger),
        sa.Column("progress", sa.Double, nullable=False),
        sa.Column("progress_text", sa.String(300), nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("data_fingerprint", sa.String(80)),
        sa.Column("code_version", sa.String(80)),
        sa.Column("notes", sa.Text, nullable=False),
    )
    op.create_index("ix_backtest_runs_status", "backtest_runs", ["status", "id"])
    op.create_index("ix_backtest_runs_group", "backtest_runs", ["run_group"])
    op.create_table(
        "backtest_metrics",
        _run_id(),
        sa.Column("exit_style", sa.String(40), primary_key=True),
        sa.Column("currency", sa.String(12), primary_key=True),
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("value", sa.Double),
        sa.Column("error", sa.Double),
    )
    op.create_table(
        "backtest_chains",
        _run_id(),
        sa.Column("exit_style", sa.String(40), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("chain_id", sa.String(80), nullable=False),
        sa.Column("strategy_id", sa.String(80), nullable=False),
        sa.Column("strategy_type", sa.String(40), nullable=False),
        sa.Column("underlying", sa.String(20), nullable=False),
        sa.Column("option_type", sa.String(20), nullable=False),
        sa.Column("currency", sa.String(12), nullable=False),
        sa.Column("opened_ms", sa.BigInteger, nullable=False),
        sa.Column("closed_ms", sa.BigInteger),
        sa.Column("pnl", sa.String(60), nullable=False),
        sa.Column("pnl_usd", sa.String(80), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_table(
        "backtest_curves",
        _run_id(),
        sa.Column("exit_style", sa.String(40), primary_key=True),
        sa.Column("columns", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for name in ("backtest_curves", "backtest_chains", "backtest_metrics", "backtest_runs"):
        op.drop_table(name)
