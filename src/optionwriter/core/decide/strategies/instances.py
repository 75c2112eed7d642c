"""Instances: from the tables of a strategy file to checked configurations.

A table is a strategy instance; what it leaves out is the mode's default. Unknown keys and wrong types are refused by
name, so that a misspelt bound never leaves a default in force.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from optionwriter.core.decide.limits import Bounds, LimitError, read_bounds
from optionwriter.core.decide.menu import Size
from optionwriter.core.decide.strategies.base import ConfigError, Mode, StrategyConfig, Style, defaults
from optionwriter.core.decide.strategies.registry import strategy

_PARAMS = ("gates", "roll_gates", "score", "manage", "roll", "downside", "bundle")
_SHARES = "target_allocation"
_LIMITS = "limits"
_PLAIN = ("kind", "underlyings", "writes", "min_score", "size_share", "size_cap", "sizes", "max_items", "max_chains",
          "style", "enabled", "profile", "chooser", "notes")  # fmt: skip


class GateOverrides(NamedTuple):
    """Bounds that the settings put over every instance's; None leaves the instance's own."""

    ivrv_min: float | None = None
    delta_min: float | None = None
    delta_max: float | None = None
    dte_min: float | None = None
    dte_max: float | None = None
    premium_min_usd: float | None = None


def read_instances(
    tables: Mapping[str, object],
    mode: Mode,
    underlyings: Iterable[str],
    overrides: GateOverrides,
    min_score: float | None = None,
) -> tuple[StrategyConfig, ...]:
    """All instances of a file in its order, disabled ones too; each only on those of `underlyings` that it names.

    Errors: ConfigError names the instance, the key and the cure.
    """
    wanted = tuple(underlyings)
    found = []
    for name, table in tables.items():
        if not isinstance(table, Mapping):
            raise ConfigError(f"{name}: a strategy instance is a table, [{name}]")
        config = _instance(name, table, mode)
        gates = config.gates._replace(**{k: v for k, v in overrides._asdict().items() if v is not None})
        found.append(
            replace(
                config,
                gates=gates,
                underlyings=tuple(one for one in wanted if one in config.underlyings),
                min_score=config.min_score if min_score is None else min_score,
            )
        )
    return tuple(found)


def _instance(name: str, table: Mapping[str, object], mode: Mode) -> StrategyConfig:
    start = defaults(mode, name)
    kind = table.get("kind", start.kind)
    if not isinstance(kind, str):
        raise ConfigError(f"{name}.kind: {kind!r} is no text")
    config = replace(start, kind=kind, writes=strategy(kind).writes)
    changes: dict[str, Any] = {}
    for key, value in table.items():
        if key in _PARAMS:
            changes[key] = _params(f"{name}.{key}", getattr(config, key), value)
        elif key == _SHARES:
            changes[key] = {**config.target_allocation, **_shares(f"{name}.{key}", value)}
        elif key == _LIMITS:
            changes[key] = _limits(f"{name}.{key}", value)
        elif key in _PLAIN:
            changes[key] = _plain(f"{name}.{key}", key, value)
        else:
            raise ConfigError(_unknown(f"{name}.{key}", key, (*_PLAIN, *_PARAMS, _SHARES, _LIMITS)))
    return replace(config, **changes)


def _params(where: str, start: Any, value: object) -> Any:
    """A NamedTuple of floats and bools with the table's values put in."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: must be a table of numbers")
    changes: dict[str, float | bool] = {}
    for key, given in value.items():
        if key not in start._fields:
            raise ConfigError(_unknown(f"{where}.{key}", str(key), start._fields))
        kind = type(getattr(start, key))
        if kind is bool and not isinstance(given, bool):
            raise ConfigError(f"{where}.{key}: {given!r} is neither true nor false")
        if kind is not bool and (isinstance(given, bool) or not isinstance(given, int | float)):
            raise ConfigError(f"{where}.{key}: {given!r} is no number")
        changes[key] = given if kind is bool else float(given)
    return start._replace(**changes)


def _limits(where: str, value: object) -> Bounds:
    """The instance's own limits."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: must be a table of limits, as max_chains_total = 2")
    try:
        return read_bounds(value)
    except LimitError as error:
        raise ConfigError(f"{where}.{error}") from error


def _shares(where: str, value: object) -> dict[str, float]:
    """A table of coin to share of equity."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: must be a table of shares, as BTC = 0.6")
    for coin, share in value.items():
        if isinstance(share, bool) or not isinstance(share, int | float):
            raise ConfigError(f"{where}.{coin}: {share!r} is no number")
    return {coin: float(share) for coin, share in value.items()}


def _plain(where: str, key: str, value: object) -> object:
    if key in ("kind", "style", "profile", "chooser"):
        if not isinstance(value, str):
            raise ConfigError(f"{where}: {value!r} is no text")
        return _choice(where, value, Style) if key == "style" else value
    if key in ("underlyings", "writes", "sizes", "notes"):
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ConfigError(f'{where}: must be a list of texts, as ["BTC", "ETH"]')
        return tuple(_choice(where, one, Size) for one in value) if key == "sizes" else tuple(value)
    if key == "enabled":
        if not isinstance(value, bool):
            raise ConfigError(f"{where}: {value!r} is neither true nor false")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ConfigError(f"{where}: {value!r} is no number")
    return _number(where, key, value)


def _number(where: str, key: str, value: float | str) -> object:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ConfigError(f"{where}: {value!r} is no number") from None
    if not number.is_finite():
        raise ConfigError(f"{where}: {value!r} is no finite number")
    if key in ("size_share", "size_cap"):
        return number
    if key in ("max_items", "max_chains"):
        if number != int(number):
            raise ConfigError(f"{where}: {value!r} is no whole number")
        return int(number)
    return float(number)


def _choice(where: str, value: str, kinds: type[Style] | type[Size]) -> Style | Size:
    try:
        return kinds(value)
    except ValueError:
        raise ConfigError(f"{where}: {value!r} is not one of {', '.join(kinds)}") from None


def _unknown(where: str, key: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(key, names, n=1)
    return f"{where} is unknown: " + (
        f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"
    )
