"""Typed settings: environment over .env over optionwriter.toml.

Owns every name a user may set, its type, default and meaning; the only file that reads the environment. An unknown
key in a file, or a near-miss of a known name in the environment, refuses to start and names it: a misspelt limit must
never leave the default in force.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

TOML_FILE = "optionwriter.toml"
ENV_FILE = ".env"
PRESET = "preset"  # where a value that a preset gave came from

# Names of parts that are still to come: setting one must not look as if it did something.
NOT_YET = frozenset(
    [
        "MANAGE_EXTERNAL_POSITIONS",
        "POSITION_RECONCILE_ACTION",
        "LLM_ENABLED",
        "LLM_MODEL_NAME",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
    ]
)
# Other programs use these, so in the environment they are no sign of our user's intent.
OTHERS_TOO = frozenset({"OPENAI_API_KEY", "OPENAI_BASE_URL", "DATABASE_URL"})
SECRETS = frozenset({"DERIBIT_CLIENT_SECRET", "WEB_TOKEN", "TARDIS_API_KEY"})  # never said back
SHORTEST_GUESS = 6  # a shorter name resembles too much that is not ours (MODEL, NODE)

Share = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(gt=0, le=100)]
Positive = Annotated[Decimal, Field(gt=0)]
NotNegative = Annotated[Decimal, Field(ge=0)]
CapText = Annotated[str, Field(pattern=r"^\d+(\.\d+)?%?$")]


class SettingsError(ValueError):
    """One or more settings are wrong; the message names each and its cure, a line each."""


def _in(group: str, what: str, default: Any = ..., **limits: Any) -> Any:
    return Field(default, description=what, json_schema_extra={"group": group}, **limits)


class Settings(BaseModel):
    """Every setting. Field names are the environment's names in lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    deribit_env: Literal["local", "testnet", "mainnet"] = _in(
        "exchange", "Which exchange: local, testnet, mainnet.", "local"
    )
    deribit_client_id: str = _in("exchange", "API key's client id.", "")
    deribit_client_secret: SecretStr = _in("exchange", "API key's secret; never shown.", SecretStr(""))
    dry_run: bool = _in("exchange", "true: no order ever leaves; fills are simulated on paper.", True)

    mode: Literal["research", "production"] = _in(
        "agent", "research (broader gates) or production (stricter).", "research"
    )
    underlyings: tuple[Literal["BTC", "ETH"], ...] = _in(
        "agent", "Coins to write options on, comma-separated.", ("BTC", "ETH")
    )
    loop_interval_sec: int = _in("agent", "Seconds between decision cycles.", 300, ge=5, le=86_400)
    strategies_file: Path | None = _in(
        "agent", "Strategy instances (TOML); default: the shipped config/strategies.toml.", None
    )
    managed_client_id_prefix: str = _in(
        "agent", "Head of every order label of ours.", "CCBOT_", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{1,15}$"
    )  # fmt: skip
    order_validity_sec: int = _in(
        "agent", "Seconds of exchange time in which a sent order may still be taken.", 10, ge=2, le=60
    )

    ivrv_min: float | None = _in(
        "gates", "Least implied over realised volatility; default by MODE.", None, ge=0, le=10
    )
    delta_min: Share | None = _in("gates", "Least absolute delta; default by MODE.", None)
    delta_max: Share | None = _in("gates", "Greatest absolute delta; default by MODE.", None)
    dte_min: float | None = _in("gates", "Least days to expiry; default by MODE.", None, ge=0, le=730)
    dte_max: float | None = _in("gates", "Most days to expiry; default by MODE.", None, ge=0, le=730)
    premium_min_usd: float | None = _in(
        "gates", "Least premium in USD per coin, net of fees; default by MODE.", None, ge=0
    )
    min_score: float | None = _in("gates", "Below it there is no trade; default by MODE.", None)

    max_margin_used_pct: Percent = _in("limits", "Initial margin over margin balance, percent.", 80.0)
    max_net_delta_abs: Positive = _in("limits", "Net option delta of an underlying, in coins.", Decimal("50"))
    max_expiry_exposure: CapText = _in("limits", "Short notional on one expiry: USD, or % of equity.", "100%")
    max_call_notional_per_underlying: CapText = _in(
        "limits", "Short call notional of a coin: USD, or % of equity.", "100%"
    )
    max_put_notional_per_underlying: CapText = _in(
        "limits", "Short put notional of a coin: USD, or % of equity.", "100%"
    )
    max_chains_per_underlying: int = _in("limits", "Chains of each option type on a coin.", 1, ge=0, le=1)
    max_chains_total: int = _in(
        "limits", "Open chains of the account, both types, all coins.", 8, ge=0, le=1_000
    )
    max_lots_per_order: int = _in(
        "limits", "Largest order that opens, in the product's smallest amounts.", 1_000, ge=1, le=1_000_000
    )
    max_total_short_notional: CapText = _in(
        "limits", "Short notional in all, calls and puts: USD, or % of equity.", "200%"
    )
    max_covered_share: Annotated[Decimal, Field(ge=0, le=1)] = _in(
        "limits", "Share of a coin's cash that calls may cover, 0 to 1.", Decimal(1)
    )
    max_vega_usd: Positive = _in(
        "limits", "Vega of all short options, USD a volatility point.", Decimal(5_000)
    )
    max_stress_loss: CapText = _in(
        "limits", "Loss of all short options at the stress: USD, or % of equity.", "50%"
    )
    stress_spot_pct: Annotated[Decimal, Field(ge=0, lt=100)] = _in(
        "limits", "The stress moves every index up and down by this, percent.", Decimal(20)
    )
    stress_vol_points: Annotated[Decimal, Field(ge=0, le=500)] = _in(
        "limits", "The stress raises every volatility by this, points.", Decimal(15)
    )
    max_data_age_sec: int = _in("limits", "Older market or account data decides nothing.", 30, ge=1, le=3_600)
    max_price_deviation_pct: Percent = _in(
        "limits", "Order prices further from the mark are refused, percent of mark.", 50.0
    )

    explore_epsilon: Share = _in(
        "exploration", "Share of decisions drawn by chance from the menu; research only.", 0.0
    )
    explore_seed: int = _in("exploration", "Seed of those draws.", 1, ge=0)

    training_mode: bool = _in(
        "training", "Build ladders of calls at minimum size; local and testnet only.", False
    )
    training_strategies: tuple[str, ...] = _in(
        "training", "Instances that train, comma-separated; default: all enabled that write calls.", ()
    )
    training_profile_mode: Literal["single", "ladder"] = _in(
        "training", "single: one call a profile a loop on each coin; ladder: up to its max_legs.", "ladder"
    )
    training_max_calls_per_expiry: int = _in(
        "training", "Calls on a coin at one expiry date.", 3, ge=1, le=100
    )
    max_calls_per_underlying_training: int = _in("training", "Calls on a coin.", 6, ge=1, le=100)
    training_profiles_file: Path | None = _in(
        "training", "Profiles (TOML); default: the shipped config/profiles.toml.", None
    )

    data_dir: Path = _in("files", "Ledger, local exchange and logs live here.", Path("var/run"))
    tardis_api_key: SecretStr = _in(
        "files",
        "Key for import tardis --download; never shown. Without one: first days of months.",
        SecretStr(""),
    )
    candidate_retention_days: int = _in("files", "Days of candidate columns to keep.", 30, ge=1, le=3_650)

    harvester_interval_minutes: int = _in(
        "files",
        "Minutes between two harvested snapshots; a day must be a whole number of them.",
        15,
        ge=1,
        le=1_440,
    )

    database_url: str = _in(
        "files", "Backtest runs: sqlite:///file or postgresql://…; default: runs.sqlite in DATA_DIR.", ""
    )

    web_host: str = _in(
        "web page", "Address that the page listens on.", "127.0.0.1",
        pattern=r"^[A-Za-z0-9.:\-]+$",
    )  # fmt: skip
    web_port: int = _in("web page", "Its port; 0 lets the system choose.", 8080, ge=0, le=65_535)

    web_token: SecretStr = _in(
        "web page",
        "Signs in to the page and the API, 16 characters or more; default: made once, kept in DATA_DIR.",
        SecretStr(""),
    )

    local_port: int = _in("local exchange", "Port of the local exchange.", 8090, ge=0, le=65_535)
    local_speed: float = _in(
        "local exchange", "Exchange seconds a real second, between cycles.", 600.0, gt=0, le=1e6
    )
    local_start: str = _in(
        "local exchange", "First instant of the replayed sample, UTC.", "2026-01-01T00:00:00Z"
    )
    local_seed: int = _in("local exchange", "Seed of the price path between recorded prices.", 1, ge=0)
    local_btc: NotNegative = _in("local exchange", "Opening BTC of the demo account.", Decimal(2))
    local_eth: NotNegative = _in("local exchange", "Opening ETH of the demo account.", Decimal(20))
    local_usdc: NotNegative = _in("local exchange", "Opening USDC of the demo account.", Decimal(200_000))

    @field_validator("underlyings", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().upper() for part in value.split(",") if part.strip())
        return value

    @field_validator("training_strategies", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("web_token")
    @classmethod
    def _long(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if text and not re.fullmatch(r"[A-Za-z0-9_.~\-]{16,200}", text):
            raise ValueError("give 16 to 200 letters, digits, - _ . or ~, or leave it out: one is then made")
        return value

    @field_validator("harvester_interval_minutes")
    @classmethod
    def _fits_a_day(cls, value: int) -> int:
        if 1_440 % value:
            raise ValueError(
                "a day (1,440 minutes) must be a whole number of intervals: 5, 10, 15, 20, 30, 60"
            )
        return value

    @field_validator("underlyings")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name each underlying once, at least one: BTC,ETH")
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Settings:
        for low, high in (("delta_min", "delta_max"), ("dte_min", "dte_max")):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least > most:
                raise ValueError(f"{low.upper()} is above {high.upper()}: swap them")
        return self

    @model_validator(mode="after")
    def _in_their_place(self) -> Settings:
        if self.explore_epsilon > 0 and self.mode == "production":
            raise ValueError(
                f"EXPLORE_EPSILON={self.explore_epsilon} under MODE=production: trades by chance belong to research; "
                "set EXPLORE_EPSILON=0 or MODE=research"
            )
        if self.training_mode and self.deribit_env == "mainnet":
            raise ValueError(
                "TRAINING_MODE=true with DERIBIT_ENV=mainnet: training lifts limits and is for the local exchange and "
                "testnet; set TRAINING_MODE=false or DERIBIT_ENV=testnet"
            )
        return self


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where each value that isn't a default came from."""

    settings: Settings
    origins: Mapping[str, str]  # field name -> command line, environment, .env, optionwriter.toml, preset


def fields() -> dict[str, FieldInfo]:
    """The settings' fields by name in lower case."""
    return dict(Settings.model_fields)


def group_of(field: FieldInfo) -> str:
    """The heading a setting stands under."""
    extra = field.json_schema_extra
    return str(extra["group"]) if isinstance(extra, dict) else ""


def _unknown(name: str, place: str) -> str:
    if name.upper() in NOT_YET:
        return f"{name} in {place}: that part is not built yet, so it would do nothing: remove it"
    close = difflib.get_close_matches(name.lower(), fields(), n=1, cutoff=0.6)
    hint = (
        f"did you mean {close[0].upper()}?"
        if close
        else "remove it, or see optionwriter config show for the names"
    )
    return f"{name} in {place} is no setting: {hint}"


def _from_file(values: Mapping[str, object], place: str, problems: list[str]) -> dict[str, object]:
    known = fields()
    found: dict[str, object] = {}
    for name, value in values.items():
        key = name.lower()
        if key not in known:
            problems.append(_unknown(name, place))
        elif isinstance(value, list):
            found[key] = ",".join(str(one) for one in value)
        elif isinstance(value, dict):
            problems.append(f"{name} in {place} is a table: settings stand on their own lines, NAME = value")
        else:
            found[key] = value
    return found


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> dict[str, object]:
    known = {name.upper(): name for name in fields()}
    found: dict[str, object] = {}
    for name, value in environment.items():
        if name in known:
            found[known[name]] = value
        elif name in NOT_YET - OTHERS_TOO:
            problems.append(_unknown(name, "the environment"))
        elif name.upper() not in NOT_YET:
            long_enough = [one for one in known if len(one) >= SHORTEST_GUESS]
            close = difflib.get_close_matches(name.upper(), long_enough, n=1, cutoff=0.88)
            if close:
                problems.append(f"{name} in the environment is no setting: did you mean {close[0]}?")
    return found


def _read_toml(path: Path, problems: list[str]) -> dict[str, object]:
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        problems.append(f"{path} can't be read: {error}")
        return {}


def _sentence(error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"][:1]).upper()
    given = error.get("input")
    shown = f" ({given!r} was given)" if name and name not in SECRETS and not isinstance(given, dict) else ""
    text = error["msg"].removeprefix("Value error, ")
    if error["type"].startswith("bool"):
        text = "is neither true nor false"
    return f"{name}: {text}{shown}" if name else text


def load(
    *,
    overrides: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    beneath: Mapping[str, object] | None = None,
) -> Loaded:
    """Reads optionwriter.toml and .env of `folder` (default: the working folder), then the environment, then overrides.

    `beneath` lies under all of them: a preset's settings.

    Errors: SettingsError lists every problem, a line each.
    """
    home = folder if folder is not None else Path()
    problems: list[str] = []
    env = os.environ if environment is None else environment
    dotenv: dict[str, object] = {k: v or "" for k, v in dotenv_values(home / ENV_FILE).items()}
    layers: list[tuple[str, dict[str, object]]] = [
        (PRESET, _from_file(beneath or {}, PRESET, problems)),
        (TOML_FILE, _from_file(_read_toml(home / TOML_FILE, problems), TOML_FILE, problems)),
        (ENV_FILE, _from_file(dotenv, ENV_FILE, problems)),
        ("environment", _from_environment(env, problems)),
        ("command line", {k: v for k, v in (overrides or {}).items() if v is not None}),
    ]
    merged: dict[str, object] = {}
    origins: dict[str, str] = {}
    for place, values in layers:
        merged.update(values)
        origins.update(dict.fromkeys(values, place))
    try:
        settings = Settings(**merged)  # type: ignore[arg-type]  # validated by the model itself
    except ValidationError as error:
        problems += [
            f"{_sentence(one)} [from {origins.get(str(one['loc'][0]) if one['loc'] else '', 'settings')}]"
            for one in error.errors()
        ]
        raise SettingsError("\n".join(problems)) from None
    if problems:
        raise SettingsError("\n".join(problems))
    return Loaded(settings, origins)


def environment_with(changes: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with some changes: what a child process is given."""
    return {**os.environ, **changes}


def shown(settings: Settings, name: str) -> str:
    """A setting's value as it may be printed: secrets masked."""
    value = getattr(settings, name)
    if isinstance(value, SecretStr):
        return "(set, not shown)" if value.get_secret_value() else "(not set)"
    if value is None:
        return "(shipped)" if name.endswith("_file") else "(default of MODE)"
    if isinstance(value, tuple):
        return ",".join(str(one) for one in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
