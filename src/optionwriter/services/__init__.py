"""The order of events."""
