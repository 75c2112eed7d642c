"""Speaks JSON lines and Parquet."""
