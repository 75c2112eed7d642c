"""Sweep: which parameter sets are to be tried, and which of them a store holds already.

Owns what may be written after --vary, the order of the sets, and when two sets are the same: equal in all that decides
the result; the name, the group and the driver decide nothing. Keeps: a set that was done is never done again; all sets
of a sweep are of one market and period, so that they can be ranked.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

import numpy as np

from optionwriter.core.report.decisions import plain
from optionwriter.core.report.run import Plain, RunFilter, RunSpec, RunState, RunStatus
from optionwriter.ports import RunBusyError, RunMissingError, RunStore
from optionwriter.services.jobs import RunError

MOST_VALUES = 10_000  # of one axis
MOST_RUNS = 1_000_000  # of one sweep that are looked at
_DRAWS_EACH = 50  # attempts for each set that is still to be found


@dataclass(frozen=True, slots=True)
class Axis:
    """What one key may be: a list of values, or (random only) a span low..high, whole numbers when `whole`."""

    key: str
    values: tuple[Plain, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False

    @property
    def is_span(self) -> bool:
        """Whether it has no list."""
        return not self.values

    def draw(self, rng: np.random.Generator) -> Plain:
        """A value by chance, every one as likely; of a span to six digits."""
        if self.values:
            return self.values[int(rng.integers(len(self.values)))]
        if self.whole:
            return int(rng.integers(int(self.low), int(self.high) + 1))
        return float(f"{rng.uniform(self.low, self.high):.6g}")


def read_axis(text: str, value_of: Callable[[str], Plain]) -> Axis:
    """key=0.2,0.3 or key=0.1:0.4:0.05 or key=0.1..0.4; values as `value_of` reads them.

    Errors: RunError names the text.
    """
    key, sign, right = (part.strip() for part in text.partition("="))
    if not (sign and key and right):
        raise RunError(f"--vary {text!r} is not key=values, such as gates.delta_max=0.2,0.3,0.4")
    if ".." in right:
        return _span(text, key, right)
    values: list[Plain] = []
    for part in right.split(","):
        if part.count(":") == 2 and all(_number(one) is not None for one in part.split(":")):
            values += _steps(text, part)
        elif part.strip():
            values.append(value_of(part.strip()))
    told = [json.dumps(one) for one in values]
    if not values or len(set(told)) < len(told):
        raise RunError(f"--vary {text!r} names {'a value twice' if values else 'no value'}")
    return Axis(key, tuple(values))


def _span(text: str, key: str, right: str) -> Axis:
    low, _, high = (part.strip() for part in right.partition(".."))
    first, last = _number(low), _number(high)
    if first is None or last is None or not first < last:
        raise RunError(f"--vary {text!r}: a span goes from a number up to a higher one, as 0.1..0.4")
    whole = all(one.lstrip("+-").isdigit() for one in (low, high))
    return Axis(key, low=float(first), high=float(last), whole=whole)


def _steps(text: str, part: str) -> Iterator[Plain]:
    """first:last:step, the last one too; decimal, so that 0.1:0.3:0.1 is 0.1, 0.2, 0.3."""
    first, last, step = (Decimal(one.strip()) for one in part.split(":"))
    if not (step > 0 and last >= first):
        raise RunError(f"--vary {text!r}: a range is first:last:step with a step above 0, as 0.1:0.4:0.05")
    if (last - first) / step > MOST_VALUES:
        raise RunError(f"--vary {text!r} has more than {MOST_VALUES:,} values: take a larger step")
    whole = all(one == int(one) for one in (first, step))
    while first <= last:
        yield int(first) if whole else float(first)
        first += step


def _number(text: str) -> Decimal | None:
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def combinations(
    axes: Sequence[Axis], count: int | None, seed: int, most: int
) -> tuple[dict[str, Plain], ...]:
    """Every combination of a grid (`count` None), or `count` different ones by chance.

    Errors: RunError for a key named twice, a span in a grid, more sets than `most`, or fewer than `count` in all.
    """
    names = [one.key for one in axes]
    if not axes:
        raise RunError("nothing is varied: name at least one --vary key=values")
    if twice := {one for one in names if names.count(one) > 1}:
        raise RunError(
            f"--vary {', '.join(sorted(twice))} is named more than once: put all its values in one list"
        )
    size = 1
    for one in axes:
        size *= len(one.values)
    asked = size if count is None else count
    if asked > most:
        raise RunError(
            f"{asked:,} sets are more than the {most:,} allowed: vary less, draw some with --random, or raise --most"
        )
    if count is None:
        if spans := [one.key for one in axes if one.is_span]:
            raise RunError(
                f"--vary {', '.join(spans)}: a span low..high needs --random N; a grid needs a list"
            )
        return tuple(
            dict(zip(names, values, strict=True)) for values in itertools.product(*(a.values for a in axes))
        )
    rng = np.random.default_rng(seed)
    found: dict[str, dict[str, Plain]] = {}
    for _ in range(_DRAWS_EACH * count):
        drawn = {one.key: one.draw(rng) for one in axes}
        found.setdefault(json.dumps(drawn, sort_keys=True), drawn)
        if len(found) == count:
            return tuple(found.values())
    raise RunError(
        f"only {len(found)} different sets were found, {count} were asked for: widen the axes, or ask for fewer"
    )


def identity(spec: RunSpec) -> str:
    """Equal for specs whose results must be equal: a whole number may be written as 5 or 5.0."""
    config = json.loads(json.dumps(plain(spec.config)), parse_int=float)
    return json.dumps(plain(replace(spec, name="", group="", driver="", config=config)), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a sweep's sets stand before it goes on: run ids."""

    waiting: tuple[int, ...]  # queued now, old ones and new ones
    done: tuple[int, ...]  # finished or failed earlier
    elsewhere: tuple[int, ...]  # being run by another process

    @property
    def all(self) -> int:
        """How many there are."""
        return len(self.waiting) + len(self.done) + len(self.elsewhere)


def enter(store: RunStore, group: str, specs: Sequence[RunSpec], now_ms: int) -> Standing:
    """Queues what is missing of the sweep and what was stopped of it, and says where all of it stands.

    With no `specs` only what the store knows of it. Errors: RunError when the store has nothing of it, or has runs of
    another market or period under that name; RunStoreError.
    """
    store.settle_lost(now_ms)
    known = {identity(one.spec): one for one in sets_of(store, group)}
    if not known and not specs:
        raise RunError(f"there is no sweep {group!r}: see optionwriter runs list --group, or name its axes")
    market = {_market(one.spec) for one in known.values()} | {_market(one) for one in specs}
    if len(market) > 1:
        raise RunError(
            f"sweep {group!r} has runs of another source, coins or period, which can't be ranked with these: "
            "give another --name"
        )
    stopped = [one for one in known.values() if one.status is RunStatus.CANCELLED]
    again = [one.spec for one in stopped]
    wanted = {identity(one): one for one in (*again, *specs)}
    missing = [one for key, one in wanted.items() if key not in known or known[key] in stopped]
    store.queue_all([replace(one, group=group) for one in missing], now_ms)
    for one in stopped:
        store.delete(one.id)
    now = _each_once(store, group)

    def where(*statuses: RunStatus) -> tuple[int, ...]:
        return tuple(one.id for one in now if one.status in statuses)

    return Standing(
        where(RunStatus.QUEUED),
        where(RunStatus.FINISHED, RunStatus.FAILED),
        where(RunStatus.RUNNING),
    )


def sets_of(store: RunStore, group: str) -> tuple[RunState, ...]:
    """All runs of the sweep, oldest first."""
    return tuple(reversed(store.list(RunFilter(group=group), limit=MOST_RUNS)))


def _each_once(store: RunStore, group: str) -> tuple[RunState, ...]:
    """The sweep's runs; of equal ones, which two processes queued at once, the later that wait are dropped."""
    kept: dict[str, RunState] = {}
    for one in sets_of(store, group):
        first = kept.setdefault(identity(one.spec), one)
        if first is not one and one.status is RunStatus.QUEUED:
            with suppress(
                RunMissingError, RunBusyError
            ):  # the other process dropped it, or a worker has it already
                store.delete(one.id)
    return sets_of(store, group)


def stop_all(store: RunStore, group: str, now_ms: int) -> None:
    """Cancels what waits, and asks what runs to stop."""
    for one in sets_of(store, group):
        if not one.status.is_over:
            store.cancel(one.id, now_ms)


def _market(spec: RunSpec) -> tuple[str, tuple[str, ...], int, int]:
    return spec.source, spec.underlyings, spec.start_ms, spec.end_ms


def set_name(varied: Mapping[str, Plain]) -> str:
    """A set as people read it."""
    return ", ".join(f"{key.rpartition('.')[2]}={_said(value)}" for key, value in varied.items())[:200]


def _said(value: Plain) -> str:
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
