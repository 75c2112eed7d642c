"""Run diff: two runs' metrics side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from optionwriter.core.report.run import MetricRow


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of two runs; None where a run has it not, `change` is second less first."""

    exit_style: str
    currency: str
    name: str
    first: float | None
    second: float | None

    @property
    def change(self) -> float | None:
        """None unless both are known."""
        return None if self.first is None or self.second is None else self.second - self.first


def differences(first: Iterable[MetricRow], second: Iterable[MetricRow]) -> tuple[Difference, ...]:
    """Every metric that either run has, by exit style, currency and name."""
    one = {(row.exit_style, row.currency, row.name): row.value for row in first}
    other = {(row.exit_style, row.currency, row.name): row.value for row in second}
    return tuple(Difference(*key, one.get(key), other.get(key)) for key in sorted({*one, *other}))
