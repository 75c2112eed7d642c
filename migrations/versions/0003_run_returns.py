"""What each run earned over holding day by day, so that a sweep can say how alike its sets are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "backtest_returns",
        sa.Column(
            "run_id",
            run_id,
            sa.ForeignKey("backtest_runs.id", ondelete="CASCADE"),
            primary_key=True,
            nullable=False,
        ),
        sa.Column("exit_style", sa.String(40), primary_key=True),
        sa.Column("over_holding", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("backtest_returns")
