"""The difference of two backtests explained by its sources: a chain of runs in which one thing changes at a time.

What a step is told to be worth is the result with it less the result before it, so it depends on the order, which is
stated; a strategy that decides otherwise after one change goes another way from there on, and all of that is the step's
too. What the named sources leave is shown as the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FIRST, LAST = "synthetic", "recorded"
SOURCES: Mapping[str, str] = {
    "level": "volatility level: at the money by expiry, as recorded",
    "skew": "skew: the recorded smile around it",
    "spread": "spread: bids and asks as far from the mark as recorded",
    "settlement": "settlement: recorded delivery prices",
}
REST: Mapping[str, str] = {
    "hours": "of the rest, the hours: anybody bids only when a chain was recorded",
    LAST: "of the rest, the last: listings, forwards, marks off the smile, prices of the instant",
}
STEPS = (FIRST, *SOURCES, *REST)


@dataclass(frozen=True, slots=True)
class StepResult:
    """One run of the chain: its figures by (currency, metric); what is not known is left out."""

    name: str
    figures: Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Explained:
    """One figure: the first run's value, each step's change, what the named sources leave, the last run's value."""

    currency: str
    metric: str
    first: float
    changes: Mapping[str, float]
    rest: float
    last: float


def explained(steps: Sequence[StepResult], currency: str, metric: str) -> Explained:
    """One figure through the chain. Errors: ValueError when the steps are not STEPS, or one lacks the figure."""
    if tuple(one.name for one in steps) != STEPS:
        raise ValueError(f"the steps are {', '.join(STEPS)}, in this order")
    missing = [one.name for one in steps if (currency, metric) not in one.figures]
    if missing:
        raise ValueError(f"{metric} in {currency} is not known of {', '.join(missing)}")
    values = [one.figures[currency, metric] for one in steps]
    changes = {
        one.name: value - before for one, value, before in zip(steps[1:], values[1:], values, strict=False)
    }
    rest = sum(changes[name] for name in REST)
    return Explained(currency, metric, values[0], changes, rest, values[-1])
