"""The lookahead check passes honest sources and catches those that know what is to come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from optionwriter.bootstrap.backtest_config import BacktestConfig
from optionwriter.bootstrap.lookahead import lookahead_check
from optionwriter.bootstrap.source import Source
from optionwriter.bootstrap.sources import open_source
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.history import Candles
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.core.report.run import RunSpec
from optionwriter.ports import Feed, MarketUnavailableError
from optionwriter.services.jobs import RunError
from optionwriter.services.lookahead import windows
from optionwriter.settings import Settings

SETTINGS = Settings()


def spec(source: str, start: str = "2026-02-03", end: str = "2026-02-07") -> RunSpec:
    first, last = (int(np.datetime64(day, "ms").astype(np.int64)) for day in (start, end))
    return RunSpec("check", source, "income", ("BTC",), first, last, 3)


class Leaking:
    """A feed whose candles are those of an hour later, under their own names: the classic slip by one row."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def __getattr__(self, name: str) -> object:
        return getattr(self._feed, name)

    def candles(self, underlying: str, start_ms: int, end_ms: int) -> Candles:
        own = self._feed.candles(underlying, start_ms, end_ms)
        later = self._feed.candles(underlying, start_ms, end_ms + MS_PER_HOUR)
        row = len(later.open_ms) - len(own.open_ms)
        return Candles(own.open_ms, later.open[row:], later.high[row:], later.low[row:], later.close[row:])


class Quoting(Leaking):
    """A feed whose marks are those of an hour later, under this instant's name."""

    candles = Leaking.__getattr__

    def __getattribute__(self, name: str) -> object:
        if name == "candles":
            return object.__getattribute__(self, "_feed").candles
        return object.__getattribute__(self, name)

    def chain(self, product_code: str, at_ms: int) -> OptionChain:
        now, later = (self._feed.chain(product_code, at) for at in (at_ms, at_ms + MS_PER_HOUR))
        rows = [later.table.row_of.get(name) for name in now.table.names]
        mark = [now.mark[here] if there is None else later.mark[there] for here, there in enumerate(rows)]
        return replace(now, mark=np.array(mark))


def through(leak: Callable[[Feed], object]) -> Callable[..., Source]:
    def opener(settings: Settings, one: RunSpec, config: BacktestConfig, until_ms: int | None) -> Source:
        source = open_source(settings, one, config, until_ms)
        return replace(source, feed=leak(source.feed))

    return opener


@pytest.mark.parametrize(("source", "start"), [("live_deribit", "2026-02-03"), ("synthetic", "2026-02-03")])
def test_honest_sources_pass(source: str, start: str) -> None:
    found = lookahead_check(SETTINGS, spec(source, start), 2, 8 * MS_PER_HOUR)
    assert found.cuts == 2 and found.decisions >= 12 and not found.leaks


@pytest.mark.parametrize("leak", [Leaking, Quoting])
def test_a_feed_that_knows_the_next_hours_is_caught(leak: Callable[[Feed], object]) -> None:
    found = lookahead_check(SETTINGS, spec("synthetic"), 2, 5 * MS_PER_HOUR, opener=through(leak))
    assert found.leaks and {one.what for one in found.leaks} == {"market"}
    for one in found.leaks:
        assert one.known_until_ms - MS_PER_HOUR <= one.at_ms <= one.known_until_ms
        assert one.whole != one.known


class Blind(Leaking):
    """A feed without quotes after 04:00."""

    candles = Leaking.__getattr__

    def __getattribute__(self, name: str) -> object:
        if name == "candles":
            return object.__getattribute__(self, "_feed").candles
        return object.__getattribute__(self, name)

    def chain(self, product_code: str, at_ms: int) -> OptionChain:
        if at_ms % MS_PER_DAY > self.until_ms:
            raise MarketUnavailableError("no quotes")
        return self._feed.chain(product_code, at_ms)

    until_ms = 4 * MS_PER_HOUR


class Blinder(Blind):
    """The same, never with any."""

    until_ms = -1


def test_steps_without_an_answer_are_no_decisions_and_without_any_nothing_is_proven() -> None:
    found = lookahead_check(SETTINGS, spec("synthetic"), 2, 23 * MS_PER_HOUR, opener=through(Blind))
    assert not found.leaks and 0 < found.decisions < found.undecided
    with pytest.raises(RunError, match="nothing could be decided"):
        lookahead_check(SETTINGS, spec("synthetic"), 1, 5 * MS_PER_HOUR, opener=through(Blinder))


def test_the_bundled_exchange_knows_its_next_recording_and_is_caught() -> None:
    """Its surfaces run from one recording to the next, as its note says."""
    found = lookahead_check(SETTINGS, spec("sample"), 2, 3 * MS_PER_HOUR)
    assert found.leaks


def test_windows_end_at_random_instants_and_reach_back_as_far_as_asked() -> None:
    instants = tuple(range(0, 20 * MS_PER_DAY, MS_PER_HOUR))
    found = windows(instants, 30, MS_PER_DAY, np.random.default_rng(5))
    assert 20 < len(found) <= 30 and len({one[-1] for one in found}) == len(found)
    for one in found:
        assert one[0] == max(0, one[-1] - MS_PER_DAY) and set(one) <= set(instants)
    assert found == windows(instants, 30, MS_PER_DAY, np.random.default_rng(5))
    with pytest.raises(RunError, match="fewer than two steps"):
        windows((1,), 3, MS_PER_DAY, np.random.default_rng(5))
