"""Markets between the synthetic and the recorded one: each has just the recording's part that it was given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from optionwriter.adapters.tapes.recorded_models import RecordedLevel, RecordedSmile, RecordedSurfaces
from optionwriter.adapters.tapes.recut import Parts, RecutFeed
from optionwriter.adapters.tapes.sample_files import load_sample
from optionwriter.bootstrap.source import Source
from optionwriter.bootstrap.sources import past_of, surfaces_of
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, InstrumentError
from optionwriter.core.market.smile import NODE_COUNT
from optionwriter.core.market.synthetic import TENORS_DAYS, Shape, flat_shape
from tests.bootstrap.test_sources import opened

SURFACES = surfaces_of(load_sample().recorded["BTC"])
PAST = past_of(load_sample().recorded["BTC"])
BENT = Shape(np.ones(len(TENORS_DAYS)), np.tile(np.linspace(0.3, -0.3, NODE_COUNT), (len(TENORS_DAYS), 1)))


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Source, Source]]:
    days = ("2026-02-03", "2026-02-05")
    yield opened("synthetic", *days), opened("live_deribit", *days)


def shown(both: tuple[Source, Source], at_ms: int, parts: Parts, code: str = "BTC") -> OptionChain:
    made, real = both
    recorded = sorted(set(real.instants) - real.repriced)
    return RecutFeed(made.feed, real.feed, recorded, parts).chain(code, at_ms)


def test_the_recorded_level_is_kept_at_the_money_and_the_whole_smile_at_every_strike() -> None:
    surface = SURFACES[100]
    later = surface.at_ms + MS_PER_HOUR
    assert SURFACES[101].at_ms > later
    expiry = surface.expiry_ms[surface.expiry_ms > later][2:3].repeat(3)
    forward = np.full(3, 70_000.0)
    strike = np.array([60_000.0, 70_000.0, 80_000.0])
    table = replace(
        opened("synthetic", "2026-02-03", "2026-02-04").feed.chain("BTC", 1_770_080_400_000).table
    )
    asked = replace(table, strike=strike, expiry_ms=expiry)
    row = int(np.flatnonzero(surface.expiry_ms == expiry[0])[0])
    known = {"BTC": RecordedSurfaces(SURFACES)}
    smile = RecordedSmile(known).iv(PAST, "BTC", later, 70_000.0, asked, forward)
    years = (expiry[0] - later) / (365 * MS_PER_DAY)
    z = np.log(strike / 70_000.0) / (surface.atm_iv[row] * np.sqrt(years))
    before = surface.smile(row)
    assert smile == pytest.approx(before.iv(z * before.atm_iv * np.sqrt(before.years)), rel=1e-9)
    for shape in (flat_shape(), BENT):
        level = RecordedLevel(known, {"BTC": shape}).iv(PAST, "BTC", later, 70_000.0, asked, forward)
        assert level[1] == pytest.approx(surface.atm_iv[row] * np.exp(shape.nodes[0][15]), rel=0.01)
        assert (abs(level[0] / level[1] - 1.0) < 1e-9) == (shape is not BENT)
    with pytest.raises(InstrumentError, match="choose another period"):
        RecordedSmile(known).iv(PAST, "BTC", SURFACES[0].at_ms - 1, 70_000.0, asked, forward)


def test_spreads_are_the_last_recorded_ones_around_the_own_mark(both: tuple[Source, Source]) -> None:
    made, real = both
    at_ms = next(at for at in real.instants if at not in real.repriced) + 90 * 60_000
    own, recut = made.feed.chain("BTC", at_ms), shown(both, at_ms, Parts(spreads=True))
    recorded = real.feed.chain("BTC", at_ms - 90 * 60_000)
    assert np.array_equal(own.mark, recut.mark) and np.array_equal(own.forward, recut.forward)
    seen = unquoted = 0
    for row, name in enumerate(own.table.names):
        place = recorded.table.row_of.get(name)
        if place is None or not recorded.mark[place] > 0:
            assert recut.bid[row] == own.bid[row] or np.isnan(own.bid[row])
        elif np.isnan(recorded.bid[place]):
            assert np.isnan(recut.bid[row])
            unquoted += 1
        elif own.mark[row] > 0.005:
            wanted = own.mark[row] * recorded.bid[place] / recorded.mark[place]
            assert recut.bid[row] == pytest.approx(min(wanted, own.mark[row]), abs=0.00051)
            seen += 1
    assert seen > 50 and unquoted > 0


def test_prices_of_delivery_and_hours_are_the_recordings_only_where_asked_for(
    both: tuple[Source, Source],
) -> None:
    made, real = both
    expiry = int(np.datetime64("2026-02-04T08:00", "ms").astype(np.int64))
    assert made.feed.delivery_price("btc_usd", expiry) != real.feed.delivery_price("btc_usd", expiry)
    for parts, source in ((Parts(), made), (Parts(settlement=True), real)):
        feed = RecutFeed(made.feed, real.feed, (), parts)
        assert feed.delivery_price("btc_usd", expiry) == source.feed.delivery_price("btc_usd", expiry)
    recorded = [at for at in real.instants if at not in real.repriced]
    between = next(iter(sorted(real.repriced)))
    hours = Parts(hours=True)
    assert (shown(both, recorded[1], hours).bid > 0).any()
    silent = shown(both, between, hours)
    assert np.isnan(silent.bid).all() and (silent.ask > 0).any()
