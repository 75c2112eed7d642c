"""Speaks argv: a file a verb group."""
