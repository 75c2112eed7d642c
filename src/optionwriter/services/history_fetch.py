"""History fetch: brings the past of prices, volatility index and delivery prices up to date, a window at a time.

Keeps: what is read is kept before more is asked for, so a fetch that is broken off goes on where it was; newer windows
are read upwards, older ones downwards, so that no fetch leaves a hole; holes that are there (rows lost, or of files
that were imported) are asked for first, each time until the exchange gives them; one failure stops no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from optionwriter.ports import HarvestStoreError, HistorySource, HistoryStore, MarketUnavailableError


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file to bring up to date: its kind and name, and where it begins when nothing is there."""

    kind: str
    name: str
    start_ms: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one file: rows added, its span now (0 where it is empty), and why it is not up to date."""

    kind: str
    name: str
    added: int
    first_ms: int
    last_ms: int
    problem: str = ""


def fetch_history(
    source: HistorySource,
    store: HistoryStore,
    wanted: Sequence[Wanted],
    now_ms: int,
    older: bool = False,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[Wanted, int], None] = lambda _one, _at: None,
) -> tuple[Fetched, ...]:
    """Fetches each file's holes, and from where it ends up to `now_ms`; with `older` also from its `start_ms` to where
    it begins.

    `tell` hears the instant up to which a file is fetched.
    """
    return tuple(_fetch(source, store, one, now_ms, older, stop, tell) for one in wanted)


def _fetch(
    source: HistorySource,
    store: HistoryStore,
    one: Wanted,
    now_ms: int,
    older: bool,
    stop: Callable[[], bool],
    tell: Callable[[Wanted, int], None],
) -> Fetched:
    added, problem = 0, ""
    try:
        span = store.span(one.kind, one.name)
        holes = store.holes(one.kind, one.name)
        for start, end in _windows(one, span, holes, now_ms, older, source.window_ms(one.kind)):
            if stop():
                problem = "stopped: the next time goes on from here"
                break
            columns = source.read(one.kind, one.name, start, end)
            if any(columns.values()):
                added += store.merge(one.kind, one.name, columns)
            tell(one, end)
    except (MarketUnavailableError, HarvestStoreError) as error:
        problem = str(error)
    try:
        first, last = store.span(one.kind, one.name) or (0, 0)
    except HarvestStoreError as error:
        first, last, problem = 0, 0, problem or str(error)
    return Fetched(one.kind, one.name, added, first, last, problem)


def _windows(
    one: Wanted,
    span: tuple[int, int] | None,
    holes: Sequence[tuple[int, int]],
    now_ms: int,
    older: bool,
    width: int,
) -> Iterator[tuple[int, int]]:
    first, last = span if span is not None else (one.start_ms, one.start_ms)
    step = width or max(now_ms - min(first, one.start_ms), 1)
    yield from _over(holes, step)
    if older:
        end = first
        while end > one.start_ms:
            yield max(one.start_ms, end - step), end
            end -= step
    start = last
    while start < now_ms:
        yield start, min(start + step, now_ms)
        start += step


def _over(holes: Sequence[tuple[int, int]], step: int) -> Iterator[tuple[int, int]]:
    """As few windows of at most `step` as cover the holes; those that lie near share one."""
    begin = end = 0
    for start, until in holes:
        if end > begin and until - begin > step:
            yield begin, end
            begin = end
        if begin == end:
            begin = start
        while until - begin > step:
            yield begin, begin + step
            begin += step
        end = until
    if end > begin:
        yield begin, end
