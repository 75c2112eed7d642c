"""Parts: what every way of seating needs: limits, strategy instances, products, the data folder.

Owns the reading of the strategy file and the names of the files in a data folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from optionwriter.core.decide.choosing import ChoiceParams, choose_best
from optionwriter.core.decide.exploring import EpsilonGreedy, seeded
from optionwriter.core.decide.limits import Cap, Limits, Stress
from optionwriter.core.decide.profiles import ProfileError, read_profiles
from optionwriter.core.decide.strategies.base import ConfigError, Mode, StrategyConfig, products_written
from optionwriter.core.decide.strategies.instances import GateOverrides, read_instances
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.decide.training import (
    TRAINABLE,
    Ladder,
    TrainingChooser,
    training_config,
    training_limits,
)
from optionwriter.core.market.instruments import PRODUCTS, Family
from optionwriter.services.proposed import Seat
from optionwriter.settings import Settings

TRAINING = "training"  # the name of the chooser of those that train

LEDGER_FILE = "ledger.sqlite"
EXCHANGE_FILE = "exchange.jsonl"
EXCHANGE_FOLDER = "exchange"  # of the exchange as a process of its own
PAPER_INSTANT_FILE = "paper.instant"  # where the paper clock stood
VIEWS_FILE = "views.sqlite"
TOKEN_FILE = "web.token"  # the page's, which may be there first
KILL_FILE = "KILL"  # outlives --fresh: only a resume, or its owner, takes it away
LOG_FOLDER = "logs"
MARK_FILE = "optionwriter.data"  # says that a folder is ours to clear


class BootError(Exception):
    """The desk can't be seated; the message names what is wrong and the cure."""


def mode_of(settings: Settings) -> str:
    """paper or live: a word for the ledger and the record."""
    return "paper" if settings.dry_run else "live"


def limits_of(settings: Settings, seats: Sequence[Seat] = ()) -> Limits:
    """Risk's limits: the account's from the settings, each strategy's own from its table; in training, training's.

    Errors: BootError.
    """
    limits = normal_limits(settings, seats)
    if not settings.training_mode:
        return limits
    training = [one.config.id for one in seats if one.chooser == TRAINING]
    return training_limits(limits, ladder_of(settings), training)


def normal_limits(settings: Settings, seats: Sequence[Seat] = ()) -> Limits:
    """The limits outside training."""
    chains = settings.max_chains_per_underlying
    age_ms = settings.max_data_age_sec * 1_000
    return Limits(
        max_margin_used_pct=Decimal(str(settings.max_margin_used_pct)),
        max_net_delta_abs={"*": settings.max_net_delta_abs},
        max_expiry_exposure=_cap(settings.max_expiry_exposure),
        max_call_notional_per_underlying=_cap(settings.max_call_notional_per_underlying),
        max_put_notional_per_underlying=_cap(settings.max_put_notional_per_underlying),
        max_call_chains=chains,
        max_put_chains=chains,
        max_total_short_notional=_cap(settings.max_total_short_notional),
        max_covered_share=settings.max_covered_share,
        max_vega_usd=settings.max_vega_usd,
        max_stress_loss=_cap(settings.max_stress_loss),
        stress=Stress(settings.stress_spot_pct, settings.stress_vol_points),
        max_chains_total=settings.max_chains_total,
        max_lots_per_order=settings.max_lots_per_order,
        strategies={one.config.id: one.config.limits for one in seats},
        price_collar_pct=Decimal(str(settings.max_price_deviation_pct)),
        max_data_age_ms=age_ms,
        max_account_age_ms=age_ms,
    )


def _cap(text: str) -> Cap:
    return Cap.pct(text.removesuffix("%")) if text.endswith("%") else Cap.usd(text)


def strategies_path(settings: Settings) -> Path:
    """The strategy file: STRATEGIES_FILE, else the one that ships with the package or stands in the checkout."""
    return settings.strategies_file or config_path("strategies.toml")


def config_path(name: str) -> Path:
    """A file or folder of the shipped configuration, in the package or in the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "config" / name
    return installed if installed.exists() else package.parents[1] / "config" / name


def seats_of(settings: Settings) -> tuple[Seat, ...]:
    """The enabled strategy instances with their choosers, in declared order. Errors: BootError."""
    path = strategies_path(settings)
    gates = GateOverrides(**{name: getattr(settings, name) for name in GateOverrides._fields})
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        mode = Mode(settings.mode)
        configs = read_instances(tables, mode, settings.underlyings, gates, settings.min_score)
        enabled = [one for one in configs if one.enabled]
        if not enabled:
            raise BootError(
                f"{path}: no strategy instance is enabled: set enabled = true in one of its tables"
            )
        training = training_ids(settings, enabled)
        return tuple(_seat(settings, one, one.id in training) for one in enabled)
    except (OSError, tomllib.TOMLDecodeError, ConfigError) as error:
        raise BootError(f"{path}: {error}") from error


def _seat(settings: Settings, config: StrategyConfig, trains: bool) -> Seat:
    """The instance with who chooses for it: training, ε-greedy, or the rules alone."""
    params = ChoiceParams(config.min_score)
    if trains:
        ladder = ladder_of(settings)
        trained = training_config(config, ladder)
        return Seat(strategy(config.kind), trained, TrainingChooser(ladder), params, TRAINING)
    epsilon = settings.explore_epsilon
    if epsilon > 0:
        explore = EpsilonGreedy(epsilon, seeded(settings.explore_seed))
        return Seat(strategy(config.kind), config, explore, params, config.chooser, epsilon)
    return Seat(strategy(config.kind), config, choose_best, params, config.chooser)


def training_ids(settings: Settings, enabled: Sequence[StrategyConfig]) -> frozenset[str]:
    """Which instances train: TRAINING_STRATEGIES, else all that can; none outside training. Errors: BootError."""
    if not settings.training_mode:
        return frozenset()
    able = [one.id for one in enabled if one.kind in TRAINABLE]
    named = settings.training_strategies
    wrong = [name for name in named if name not in able]
    if wrong:
        raise BootError(
            f"TRAINING_STRATEGIES names {', '.join(wrong)}: choose from the enabled instances that write single calls "
            f"({', '.join(able) or 'there are none'})"
        )
    if not able:
        raise BootError(
            f"TRAINING_MODE=true, but no enabled instance is of kind {' or '.join(TRAINABLE)}: enable one"
        )
    return frozenset(named or able)


def ladder_of(settings: Settings) -> Ladder:
    """Training's ladder, with the profiles of its file. Errors: BootError."""
    path = settings.training_profiles_file or config_path("profiles.toml")
    try:
        profiles = read_profiles(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ProfileError) as error:
        raise BootError(f"{path}: {error}") from error
    return Ladder(
        profiles,
        settings.training_profile_mode == "single",
        settings.max_calls_per_underlying_training,
        settings.training_max_calls_per_expiry,
    )


def products_of(settings: Settings) -> tuple[str, ...]:
    """The products that are read: each coin's inverse book (its index comes from there), and what an enabled
    instance sells besides. Errors: BootError."""
    written = {code for seat in seats_of(settings) for code in products_written(seat.config)}
    return tuple(
        one.code
        for one in PRODUCTS.values()
        if one.underlying in settings.underlyings and (one.family is Family.INVERSE or one.code in written)
    )


def prepare_folder(folder: Path, fresh: bool) -> None:
    """Makes the data folder, or with `fresh` drops what we keep there; anything else in it stays. Errors: BootError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark = folder / MARK_FILE
        if fresh:
            early = (TOKEN_FILE, KILL_FILE)  # may be there before an agent is
            if any(one.name not in early for one in folder.iterdir()) and not mark.exists():
                raise BootError(
                    f"{folder} holds files that are not ours: name an empty folder with --data-dir"
                )
            for name in (LEDGER_FILE, VIEWS_FILE):
                for path in folder.glob(f"{name}*"):
                    path.unlink()
            for name in (EXCHANGE_FILE, PAPER_INSTANT_FILE):
                (folder / name).unlink(missing_ok=True)
            for name in (LOG_FOLDER, EXCHANGE_FOLDER):
                shutil.rmtree(folder / name, ignore_errors=True)
        mark.write_text("optionwriter keeps its ledger, local exchange and logs here.\n")
    except OSError as error:
        raise BootError(f"{folder} can't be used: {error.strerror}: name another with --data-dir") from error


@contextmanager
def hold_folder(folder: Path, fresh: bool) -> Iterator[None]:
    """Keeps the data folder for one `up` alone, prepared. Errors: BootError when another has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise BootError(f"{folder} can't be used: {error.strerror}: name another with --data-dir") from error
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BootError(
                f"{folder} is in use by another optionwriter up: end it, or name another folder with --data-dir"
            ) from None
        prepare_folder(folder, fresh)
        yield
    finally:
        os.close(held)
