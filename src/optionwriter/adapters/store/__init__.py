"""Speaks SQL."""
