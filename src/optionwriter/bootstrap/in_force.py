"""In force: the settings that decide a backtest beside what was asked of it, as they were when it ran.

The strategy file, the presets and the limits can be edited between a run and its repetition; kept with the run, each
key that is another now can be named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from optionwriter.bootstrap.parts import limits_of
from optionwriter.core.decide.choosing import ChoiceParams, choose_best
from optionwriter.core.decide.strategies.base import StrategyConfig
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.report.decisions import plain
from optionwriter.services.proposed import Seat
from optionwriter.settings import Settings


def in_force(settings: Settings, instance: StrategyConfig) -> dict[str, object]:
    """Dotted keys and plain values: `strategy.…` with the preset and changes laid over it, and the limits' `limits.…`.

    Errors: BootError for limits that can't be read.
    """
    seat = Seat(strategy(instance.kind), instance, choose_best, ChoiceParams(instance.min_score))
    found = {"strategy": plain(instance), "limits": plain(limits_of(settings, (seat,)))}
    return dict(_flat("", {**found, "order_validity_sec": settings.order_validity_sec}))


def _flat(prefix: str, table: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value
