"""Strategies: what an instance writes and how it manages it."""
