"""Presets: named sets of settings that ship in config/presets; what a user has set himself always wins."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from optionwriter.bootstrap.parts import config_path
from optionwriter.cli.output import UserError
from optionwriter.settings import Loaded, load

DEFAULT = "demo"
NONE = "none"


def load_preset(name: str | None, overrides: Mapping[str, object]) -> tuple[Loaded, str]:
    """Settings over the preset's, and its name, '' for none. The local exchange has one by default.

    Errors: UserError for an unknown preset, SettingsError for what stands in it.
    """
    loaded = load(overrides=overrides)
    local = loaded.settings.deribit_env == "local"
    if name is None:
        name = DEFAULT if local else NONE
    if name == NONE:
        return loaded, ""
    if not local:
        raise UserError(f"--preset {name} is for the local exchange: leave it out, or set DERIBIT_ENV=local")
    folder = config_path("presets")
    path = folder / f"{name}.toml"
    known = sorted(one.stem for one in folder.glob("*.toml") if not one.stem.endswith("_strategies"))
    if name not in known:
        raise UserError(f"--preset {name} is not there: known are {', '.join([*known, NONE])}")
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    if "STRATEGIES_FILE" in values:
        values["STRATEGIES_FILE"] = str((folder / Path(values["STRATEGIES_FILE"])).resolve())
    return load(overrides=overrides, beneath=values), name
