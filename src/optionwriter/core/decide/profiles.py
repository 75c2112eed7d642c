"""Profiles: which calls a training profile looks for, read from their file.

Keeps: unknown keys, wrong types and ranges that hold nothing are refused by name; at least one profile is enabled.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from optionwriter.core.decide.menu import Metrics

DTE_RANGE = (1.0, 21.0)  # days to expiry that training deals in


class ProfileError(ValueError):
    """A profile that makes no sense; the message names the key and the cure."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Bounds on days to expiry and absolute delta, both ends included; `max_legs` calls a loop in ladder mode."""

    name: str
    dte_min: float = DTE_RANGE[0]
    dte_max: float = DTE_RANGE[1]
    delta_min: float = 0.05
    delta_max: float = 0.50
    max_legs: int = 2
    enabled: bool = True

    def __post_init__(self) -> None:
        least, most = DTE_RANGE
        if not least <= self.dte_min <= self.dte_max <= most:
            raise ProfileError(
                f"{self.name}: dte_min {self.dte_min:g} to dte_max {self.dte_max:g} must rise within "
                f"{least:g} to {most:g} days"
            )
        if not 0 <= self.delta_min <= self.delta_max <= 1:
            raise ProfileError(
                f"{self.name}: delta_min {self.delta_min:g} to delta_max {self.delta_max:g} must rise within 0 to 1"
            )
        if self.max_legs < 1:
            raise ProfileError(f"{self.name}: max_legs {self.max_legs} must be at least 1")

    def wants(self, metrics: Metrics) -> bool:
        """Whether an option with these metrics is of the profile; no number is of none."""
        return (
            self.dte_min <= metrics.dte <= self.dte_max
            and self.delta_min <= abs(metrics.delta) <= self.delta_max
        )


_KEYS = tuple(one.name for one in fields(Profile) if one.name != "name")


def read_profiles(tables: Mapping[str, object]) -> tuple[Profile, ...]:
    """The enabled profiles of a file, in its order. Errors: ProfileError."""
    found = []
    for name, table in tables.items():
        if not isinstance(table, Mapping):
            raise ProfileError(f"{name}: a profile is a table, [{name}]")
        found.append(Profile(name, **{key: _value(f"{name}.{key}", key, one) for key, one in table.items()}))
    enabled = tuple(one for one in found if one.enabled)
    if not enabled:
        raise ProfileError("no profile is enabled: set enabled = true in one of the tables")
    return enabled


def _value(where: str, key: str, value: object) -> Any:
    if key not in _KEYS:
        close = difflib.get_close_matches(key, _KEYS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(_KEYS)}"
        raise ProfileError(f"{where} is unknown: {hint}")
    if key == "enabled":
        if not isinstance(value, bool):
            raise ProfileError(f"{where}: {value!r} is neither true nor false")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ProfileError(f"{where}: {value!r} is no number")
    if key == "max_legs":
        if value != int(value):
            raise ProfileError(f"{where}: {value!r} is no whole number")
        return int(value)
    return float(value)
