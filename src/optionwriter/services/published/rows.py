"""Rows: how values stand in every published view: Decimals as text, instants as milliseconds and as UTC text."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from optionwriter.core.report.decisions import plain

Row = dict[str, Any]
_INSTANTS = ("created_at", "closed_at", "opened_ms", "closed_ms", "expiry_ms")


def when(at_ms: int) -> str:
    """An instant as UTC text, 2026-01-17T08:00:00Z."""
    return f"{datetime.fromtimestamp(at_ms // 1000, tz=UTC):%Y-%m-%dT%H:%M:%SZ}"


def row_of(view: object) -> Row:
    """A view as a row. Errors: TypeError for what no view holds."""
    row = plain(view)
    assert isinstance(row, dict)
    return row


def short(number: str | None) -> str | None:
    """A quotient of 28 digits, for show: four places."""
    return None if number is None else format(Decimal(number).quantize(Decimal("0.0001")), "f")


def timed(row: Row) -> Row:
    """Instants as UTC text, with the milliseconds beside them."""
    timed: Row = {}
    for name, value in row.items():
        if name in _INSTANTS:
            base = name.removesuffix("_ms").removesuffix("_at")
            word = base if base == "expiry" else f"{base}_at"
            timed[word] = None if value is None else when(value)
            timed[f"{base}_ms"] = value
        else:
            timed[name] = value
    return timed
