"""The run store: backtests as rows, in SQLite or PostgreSQL."""
