"""Calibrating: opens the market that calibration asks for, live or recorded, and hands its chains on one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from optionwriter.adapters.clocks import SystemClock, sleep_s
from optionwriter.adapters.deribit.errors import VenueError
from optionwriter.adapters.deribit.history import HistoryReader
from optionwriter.adapters.deribit.http import DEFAULT_TIMEOUTS, Timeouts, local_url
from optionwriter.adapters.deribit.market import DeribitMarket
from optionwriter.adapters.deribit.retries import DEFAULT_PATIENCE, Patience
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
Environment = Literal["local", "testnet", "mainnet"]
FailedDays = Literal["refuse", "skip", "take"]
_OF_THE_CHAINS = (
    "There are no snapshots",
    "Quotes are those",
    "Between two recordings",
    "Taken though",
    "Left out",
)
_CURES = {
    "data": "harvest or import chains, or name a folder of recorded ones with --data",
    "failed_days": "--failed-days skip (in the API failed_days=skip) leaves such days out, --failed-days take reads "
    "them as they are",
}
_UNREACHED = {
    "local": "start it with optionwriter up",
    "testnet": "check the network and the exchange's status page",
    "mainnet": "check the network and the exchange's status page",
}
_PAST_DAYS = 9
_PAST_MS = _PAST_DAYS * MS_PER_DAY
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
    environment: Environment = "mainnet"
    failed_days: FailedDays = "refuse"


class UnreachableError(CalibrationError):
    """The exchange gives no chain now; the message says why and the cure."""


@dataclass(frozen=True, slots=True)
class Haste:
    """How long a live look may wait for the exchange."""

    timeouts: Timeouts = DEFAULT_TIMEOUTS
    patience: Patience = DEFAULT_PATIENCE


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What was found, and what a reader must know; `age_s`: since live marks were read, None for recorded ones."""

    asked: Asked
    found: Calibrated
    notes: tuple[str, ...]
    age_s: float | None = None


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
        return [live_look(settings, own, asked.environment)], live_notes(asked.environment)
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
    step = 60 if asked.source == "sample" else 5
    config = read_config({"data": asked.data, "step_minutes": step, "failed_days": asked.failed_days})
    end = max(asked.end_ms, asked.start_ms + 1)
    problem: Exception | None = None
    today = max(asked.start_ms % MS_PER_DAY, MS_PER_HOUR)
    for lead in (_LEAD_MS, 0) if asked.end_ms > asked.start_ms else (_LEAD_MS, today):
        spec = RunSpec(
            "calibrate", asked.source, "", (asked.underlying,), asked.start_ms - lead, end, 1, {}
        )  # fmt: skip
        try:
            return open_source(settings, spec, config)
        except (RunError, InstrumentError) as error:
            problem = error
    raise CalibrationError(_cured(problem)) from problem


def _cured(problem: Exception | None) -> str:
    """A backtest's problem with the cure in calibration's own options."""
    own = [cure for name, cure in _CURES.items() if isinstance(problem, RunError) and name in problem.fields]
    return f"{problem.problem}: {own[0]}" if isinstance(problem, RunError) and own else str(problem)


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


def live_notes(environment: Environment) -> tuple[str, ...]:
    """What a reader of a live look must know."""
    return (f"Live marks of {environment}; there is no chain before it, so nothing of a snapshot before.",)


def live_look(
    settings: Settings,
    own: Product,
    environment: Environment,
    haste: Haste = Haste(),
) -> Look:
    """One look at the exchange's public data. Errors: UnreachableError names what failed and the cure."""
    session = _session(settings, environment, haste)
    try:
        clock = session.exchange_clock(SystemClock())
        chain = DeribitMarket(session.client, clock).chain(own.code)
        past = HistoryReader(session.client, "3600").read(own.underlying, clock.now_ms(), _PAST_DAYS)
    except (VenueError, MarketUnavailableError) as error:
        raise UnreachableError(
            f"the {environment} exchange gives no chain of {own.code} ({error}): {_UNREACHED[environment]}, or choose "
            "a recorded source"
        ) from error
    finally:
        session.close()
    return Look(chain, replace(past, at_ms=chain.at_ms))


def exchange_now_ms(settings: Settings, environment: Environment) -> int:
    """The exchange's own time; the machine's where it gives none: only the local exchange lives in another year."""
    session = _session(settings, environment, Haste())
    try:
        return session.exchange_clock(SystemClock()).now_ms()
    except VenueError:
        return SystemClock().now_ms()
    finally:
        session.close()


def _session(settings: Settings, environment: Environment, haste: Haste) -> Session:
    """A connection to the exchange's public API; whoever asks for it closes it."""
    return Session(
        environment,
        SystemClock().monotonic,
        sleep_s,
        base_url=local_url(settings.local_port) if environment == "local" else None,
        timeouts=haste.timeouts,
        patience=haste.patience,
    )
