"""What may be said of a backtest beside its period, source and strategy: typed, checked, with its help text.

Owns the names that the command line, the API and the lab's form share, and how a preset and changes are laid over a
strategy instance. Everything here decides the result, so all of it is stored with the run.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from optionwriter.bootstrap.parts import config_path, strategies_path
from optionwriter.core.decide.strategies.base import ConfigError, Mode, StrategyConfig
from optionwriter.core.decide.strategies.exits import ExitStyle, read_exit_styles
from optionwriter.core.decide.strategies.instances import GateOverrides, read_instances
from optionwriter.services.jobs import RunError
from optionwriter.settings import Settings

PRESETS_FILE = "presets.toml"
CUSTOM, BALANCED = "CUSTOM", "BALANCED"
Rate = Annotated[Decimal, Field(ge=0, le=1)]
Coins = Annotated[Decimal, Field(ge=0, le=10_000_000_000)]


class BacktestConfig(BaseModel):
    """Field names are the keys of a run's stored config."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    preset: str = Field(
        BALANCED, description="ULTRA_SAFE, BALANCED, AGGRESSIVE or CUSTOM (BALANCED plus changes)."
    )
    changes: dict[str, Any] = Field(
        default_factory=dict,
        description="With CUSTOM: keys of the strategy's table to change, as gates.delta_max=0.3, one a line.",
    )
    exit_styles: tuple[ExitStyle, ...] = Field(
        (ExitStyle.OWN,), description="hold_to_expiry, tp_and_roll, own; several are compared in one run."
    )
    mode: Literal["research", "production"] = Field(
        "research", description="Whose defaults lie under the preset."
    )
    step_minutes: int = Field(60, ge=5, le=1_440, description="Minutes between decisions.")
    spread_share: Annotated[Decimal, Field(ge=0, le=1)] = Field(
        Decimal(0), description="Share of the spread that fills keep: 0 crosses it, 0.5 fills at the mid."
    )
    fill: Literal["cross", "mid", "share", "probability"] = Field(
        "share",
        description="How orders fill: at the other side, the mid, spread_share of the spread, or that by its measured "
        "chance.",
    )
    wait_minutes: float = Field(
        15.0, gt=0, le=60, description="How long an order may wait for its share (fill = probability)."
    )
    combo: bool = Field(
        False,
        description="Rolls and spreads trade as combos: the cheaper side's fees are waived. The live agent sends legs.",
    )
    btc: Coins = Field(Decimal(2), description="Opening BTC.")
    eth: Coins = Field(Decimal(20), description="Opening ETH.")
    usdc: Coins = Field(Decimal(200_000), description="Opening USDC.")
    idle_yield_btc: Rate = Field(
        Decimal(0), description="Earned a year on BTC that covers nothing: 0.01 is 1 %."
    )
    idle_yield_eth: Rate = Field(Decimal(0), description="Earned a year on ETH that covers nothing.")
    idle_yield_usdc: Rate = Field(Decimal(0), description="Earned a year on USDC that covers nothing.")
    wheel_convert: bool = Field(
        False,
        description="A wheel buys the coin of a put settled in the money, and sells that of a call: cash movements.",
    )
    convert_cost: Annotated[Decimal, Field(ge=0, le=Decimal("0.1"))] = Field(
        Decimal("0.001"), description="Share of the index that such a conversion loses (wheel_convert)."
    )
    fast_forward: bool = Field(
        True,
        description="Pass over steps at which the strategy can have nothing to do; the result is the same without.",
    )
    model: Literal["anchored", "realised"] = Field(
        "anchored",
        description="Synthetic volatility: anchored to the volatility index, or realised x multiplier.",
    )
    iv_multiplier: float = Field(
        1.2, ge=0.1, le=10.0, description="Implied over realised volatility (realised)."
    )
    smile: Literal["own", "surface", "skew_anchors", "flat"] = Field(
        "own",
        description="What bends synthetic volatility by strike: the model's own (anchored: surface, realised: "
        "skew_anchors), the fitted surfaces' typical shape, skew factors by delta, or nothing. Of sample too.",
    )
    skew: str = Field(
        "",
        description="Folder of captured skew factors, as calibrate skew keeps them (data/skew); empty: the typical "
        "ones.",
    )
    listing: Literal["exchange", "plain"] = Field(
        "exchange",
        description="Synthetic listings: as the exchange's, or an expiry every day on an even grid.",
    )

    data: str = Field(
        "",
        description="Folder of recorded chains; empty: data/<source> beside the working folder, else what is bundled.",
    )
    failed_days: Literal["refuse", "skip", "take"] = Field(
        "refuse",
        description="Recorded days that fail their quality check: refuse the run, skip them, take them.",
    )

    @field_validator("changes", mode="before")
    @classmethod
    def _lines(cls, value: object) -> object:
        return read_pairs(value.splitlines()) if isinstance(value, str) else value

    @field_validator("exit_styles", mode="before")
    @classmethod
    def _styles(cls, value: object) -> object:
        try:
            return read_exit_styles(value) if isinstance(value, str) else value
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @field_validator("exit_styles")
    @classmethod
    def _some(cls, value: tuple[ExitStyle, ...]) -> tuple[ExitStyle, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name each exit style once, at least one")
        return value

    @property
    def opening(self) -> dict[str, Decimal]:
        """Opening cash by currency."""
        return {"BTC": self.btc, "ETH": self.eth, "USDC": self.usdc}

    @property
    def idle_yields(self) -> dict[str, Decimal]:
        """Rates above 0 by currency."""
        rates = {"BTC": self.idle_yield_btc, "ETH": self.idle_yield_eth, "USDC": self.idle_yield_usdc}
        return {name: rate for name, rate in rates.items() if rate}


def read_pairs(lines: Iterable[str]) -> dict[str, Any]:
    """name=value lines; numbers, booleans and comma-separated lists read as such, empty lines passed over.

    Errors: ValueError names the line.
    """
    found: dict[str, Any] = {}
    for line in lines:
        name, sign, text = line.partition("=")
        if not line.strip():
            continue
        if not (sign and name.strip()):
            raise ValueError(f"{line!r} is not name=value")
        found[name.strip()] = _value(text.strip())
    return found


def _value(text: str) -> object:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return [part.strip() for part in text.split(",")] if "," in text else text


def read_config(values: Mapping[str, object]) -> BacktestConfig:
    """A config from plain values. Errors: RunError names each wrong one."""
    try:
        return BacktestConfig.model_validate(values)
    except ValidationError as error:
        told: list[str] = []
        fields: dict[str, str] = {}
        for one in error.errors():
            name = ".".join(str(part) for part in one["loc"])
            if one["type"] == "extra_forbidden":
                known = ", ".join(BacktestConfig.model_fields)
                told.append(f"{name} is nothing that a backtest knows: known are {known}")
            else:
                text = f"{one['msg'].removeprefix('Value error, ')} ({one.get('input')!r} was given)"
                told.append(f"{name}: {text}")
                fields.setdefault(str(one["loc"][0]), text)
        raise RunError("; ".join(told), fields) from None


def presets() -> dict[str, Mapping[str, object]]:
    """The presets by name, CUSTOM included. Errors: RunError when the file is torn."""
    path = config_path(PRESETS_FILE)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RunError(f"{path} can't be read: {error}") from None
    return {**tables, CUSTOM: tables[BALANCED]}


def instance_of(
    settings: Settings, name: str, underlyings: tuple[str, ...], config: BacktestConfig
) -> StrategyConfig:
    """The named instance with preset and changes laid over it, enabled or not. Errors: RunError."""
    known = presets()
    if config.preset not in known:
        raise RunError.at("preset", f"preset {config.preset!r} is not there: choose from {', '.join(known)}")
    if config.changes and config.preset != CUSTOM:
        text = f"changes go with preset {CUSTOM} (BALANCED plus changes): name it, or leave them out"
        raise RunError.at("changes", text)
    tables = instance_tables(settings)
    if name not in tables:
        text = f"{strategies_path(settings)} has no strategy instance {name!r}: it has {', '.join(tables)}"
        raise RunError.at("strategy", text)
    table = _over(_over(tables[name], known[config.preset]), _nested(config.changes))
    try:
        (found,) = read_instances({name: table}, Mode(config.mode), underlyings, GateOverrides())
    except ConfigError as error:
        raise RunError.at("changes" if config.changes else "strategy", str(error)) from None
    if not underlyings:
        text = "no coin is named: name some with --underlyings, such as BTC,ETH"
        raise RunError.at("underlyings", text)
    if not found.underlyings:
        raise RunError.at(
            "underlyings",
            f"{name} writes on none of {', '.join(underlyings)}: name others with --underlyings",
        )
    if config.wheel_convert and found.kind != "wheel":
        text = f"wheel_convert is for a wheel, {name} is of kind {found.kind}: leave it out"
        raise RunError.at("wheel_convert", text)
    opening = {one: config.opening.get(one) for one in (*found.underlyings, "USDC")}
    if not any(opening.values()):
        names = " or ".join(f"-o {one.lower()}=…" for one in opening)
        text = f"there is nothing to trade with: every opening amount is 0: give some with {names}"
        raise RunError.at(next(iter(opening)).lower(), text)
    return found


def instance_tables(settings: Settings) -> dict[str, Any]:
    """The strategy file's tables, by instance name. Errors: RunError when it can't be read."""
    path = strategies_path(settings)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RunError(f"{path} can't be read: {error}") from None


def _over(table: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """`changes` laid over `table`, tables within merged."""
    merged = dict(table)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _over(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _nested(changes: Mapping[str, object]) -> dict[str, object]:
    """gates.delta_max = 0.3 as {gates: {delta_max: 0.3}}."""
    nested: dict[str, object] = {}
    for key, value in changes.items():
        *path, last = key.split(".")
        nested = _over(nested, _path(path, {last: value}))
    return nested


def _path(path: list[str], value: dict[str, object]) -> dict[str, object]:
    for key in reversed(path):
        value = {key: value}
    return value
