"""The settings in force when a run ran, so that a repetition can name what was changed since."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("backtest_runs", sa.Column("settings", sa.Text))


def downgrade() -> None:
    op.drop_column("backtest_runs", "settings")
