"""Calibrating: opens the market that calibration asks for, live or recorded, and hands its chains on one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from optionwriter.adapters.clocks import SystemClock, sleep_s
from optionwriter.adapters.deribit.errors import VenueError
from optionwriter.adapters.deribit.http import local_url
from optionwriter.adapters.deribit.market import DeribitMarket
from optionwriter.adapters.deribit.session import Session
from optionwriter.adapters.tapes.captured import CapturedFeed
from optionwriter.adapters.tapes.sample_files import load_sample
from optionwriter.bootstrap.backtest_config import read_config
from optionwriter.bootstrap.source import Source
from optionwriter.bootstrap.sources import open_source, surfaces_of, typical_factors
from optionwriter.core.market.history import PriceHistory
from optionwriter.core.market.instruments import (
    MS_PER_DAY,
    MS_PER_HOUR,
    PRODUCTS,
    InstrumentError,
    Product,
)
from optionwriter.core.market.skew_factors import SkewFactors
from optionwriter.core.market.synthetic import Shape, typical_shape
from optionwriter.core.report.run import RunSpec
from optionwriter.ports import Feed, MarketUnavailableError
from optionwriter.services.calibrate import Calibrated, CalibrationError, Look, calibrate
from optionwriter.services.jobs import RunError
from optionwriter.settings import Settings

LIVE = "live"
RECORDED = ("live_deribit", "real_scraper", "sample")
SOURCES = (LIVE, *RECORDED)
Family = Literal["inverse", "linear"]
_OF_THE_CHAINS = ("There are no snapshots", "Quotes are those", "Between two recordings")
_PAST_MS = 9 * MS_PER_DAY
_INDEX_MS = 2 * MS_PER_DAY
_LEAD_MS = MS_PER_DAY  # before the first chain, to know the smile before it


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be calibrated: `start_ms` = `end_ms` asks for the last chain at or before that instant; live asks for
    now. `every_ms` apart at least; `data` is a folder of recorded chains, as a backtest's."""

    underlying: str
    family: Family = "inverse"
    source: str = "live_deribit"
    start_ms: int = 0
    end_ms: int = 0
    every_ms: int = 0
    multiplier: float = 1.0
    data: str = ""
    environment: Literal["local", "testnet", "mainnet"] = "mainnet"


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What was found, and what a reader must know."""

    asked: Asked
    found: Calibrated
    notes: tuple[str, ...]


def product_of(underlying: str, family: str) -> Product:
    """The product. Errors: CalibrationError names the ones that there are."""
    for one in PRODUCTS.values():
        if one.underlying == underlying and one.family.value == family:
            return one
    known = sorted({one.underlying for one in PRODUCTS.values()})
    raise CalibrationError(
        f"there are no {family} options on {underlying}: choose from {', '.join(known)}, inverse or linear"
    )


@lru_cache(maxsize=8)
def shape_of(underlying: str) -> Shape:
    """The typical shape of the bundled surfaces. Errors: CalibrationError for a coin without any."""
    recorded = load_sample().recorded
    if underlying not in recorded:
        raise CalibrationError(
            f"there are no bundled prices and smiles of {underlying}: choose from {', '.join(recorded)}"
        )
    return typical_shape(surfaces_of(recorded[underlying]))


def calibration(
    settings: Settings,
    asked: Asked,
    factors: SkewFactors | None = None,
    told: Callable[[int], None] = lambda _done: None,
) -> Report:
    """Calibrates as asked; `factors` are cached skew factors for a live look. Errors: CalibrationError."""
    if not 0.1 <= asked.multiplier <= 10.0:
        raise CalibrationError(f"iv_multiplier {asked.multiplier:g}: it lies within 0.1 and 10")
    looks, notes = looks_of(settings, asked)
    shape = shape_of(asked.underlying)
    before = factors if factors is not None else typical_factors(shape)
    found = calibrate(looks, shape, asked.multiplier, before, told)
    return Report(asked, found, notes)


def looks_of(settings: Settings, asked: Asked) -> tuple[Iterator[Look] | list[Look], tuple[str, ...]]:
    """The chains to look at, in order, and what a reader must know of them. Errors: CalibrationError."""
    own = product_of(asked.underlying, asked.family)
    if asked.source == LIVE:
        return [_live(settings, own, asked.environment)], (
            f"Live marks of {asked.environment}; there is no chain before it, so nothing of a snapshot before.",
        )
    if asked.source not in RECORDED:
        raise CalibrationError(f"source {asked.source!r} is not there: choose from {', '.join(SOURCES)}")
    source = _opened(settings, asked)
    feed = source.feed
    if own.code not in feed.products or (isinstance(feed, CapturedFeed) and own.code in feed.converted):
        raise CalibrationError(
            f"{asked.source} has no recorded chains of {own.code} in that period: choose another period, or the "
            f"inverse options, or harvest {own.code}"
        )
    instants, first = _chosen(source, asked)
    notes = tuple(one for one in source.notes if one.startswith(_OF_THE_CHAINS) or "left out" in one)
    return _recorded(feed, own, instants, first), notes


def _opened(settings: Settings, asked: Asked) -> Source:
    """The recorded market, with the day before for the smile before the first chain, where there is one."""
    config = read_config({"data": asked.data, "step_minutes": 60 if asked.source == "sample" else 5})
    end = max(asked.end_ms, asked.start_ms + 1)
    problem: Exception | None = None
    for lead in (_LEAD_MS, 0) if asked.end_ms > asked.start_ms else (_LEAD_MS, MS_PER_HOUR):
        spec = RunSpec(
            "calibrate", asked.source, "", (asked.underlying,), asked.start_ms - lead, end, 1, {}
        )  # fmt: skip
        try:
            return open_source(settings, spec, config)
        except (RunError, InstrumentError) as error:
            problem = error
    raise CalibrationError(str(problem)) from problem


def _chosen(source: Source, asked: Asked) -> tuple[list[int], int]:
    """The instants to look at, and the first that is scored: the one before it only tells what was before."""
    known = [at for at in source.instants if at not in source.repriced]
    if asked.end_ms <= asked.start_ms:
        known = [at for at in known if at <= asked.start_ms][-2:]
        if not known:
            raise CalibrationError(
                "there is no recorded chain within a day before that instant: name another"
            )
        return known, known[-1]
    inside: list[int] = []
    for at in known:
        if asked.start_ms <= at <= asked.end_ms and (not inside or at - inside[-1] >= asked.every_ms):
            inside.append(at)
    lead = [at for at in known if at < asked.start_ms][-1:]
    if not inside:
        raise CalibrationError(f"{asked.source} has no chain in that period: choose another")
    return [*lead, *inside], inside[0]


def _recorded(feed: Feed, own: Product, instants: list[int], first_ms: int) -> Iterator[Look]:
    for at in instants:
        past = PriceHistory(
            own.underlying,
            at,
            feed.candles(own.underlying, at - _PAST_MS, at),
            feed.volatility_index(own.underlying, at - _INDEX_MS, at),
        )
        yield Look(feed.chain(own.code, at), past, at >= first_ms)


def _live(settings: Settings, own: Product, environment: Literal["local", "testnet", "mainnet"]) -> Look:
    """One look at the exchange's public data. Errors: CalibrationError."""
    machine = SystemClock()
    url = local_url(settings.local_port) if environment == "local" else None
    session = Session(environment, machine.monotonic, sleep_s, None, url)
    try:
        market = DeribitMarket(session.client, session.exchange_clock(machine))
        chain = market.chain(own.code)
        past = market.history(own.underlying)
    except (VenueError, MarketUnavailableError) as error:
        raise CalibrationError(
            f"the {environment} exchange gives no chain of {own.code} ({error}): check the network, or choose a "
            f"recorded --source"
        ) from error
    finally:
        session.close()
    return Look(chain, replace(past, at_ms=chain.at_ms))
