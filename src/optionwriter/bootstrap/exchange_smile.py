"""The local exchange's smile: the fitted surfaces, skew factors over their at-the-money volatility, or none at all.

An exchange is made anew from its input log, so its market must stay the one that it began with: the factors are kept
in its folder from its first start on, and another LOCAL_SMILE is refused there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from optionwriter.adapters.files.skew_file import SKEW_FOLDER, SkewFileError, read_skew, skew_path, write_skew
from optionwriter.adapters.tapes.sample_files import load_sample
from optionwriter.bootstrap.parts import EXCHANGE_FOLDER, BootError
from optionwriter.bootstrap.skews import SKEW_DIR
from optionwriter.bootstrap.sources import surfaces_of, typical_factors
from optionwriter.core.market.skew_factors import FLAT, TENOR_DAYS, Skew, SkewFactors
from optionwriter.core.market.synthetic import typical_shape
from optionwriter.settings import Settings

TYPICAL = "typical of January to May 2026"


def exchange_bends(
    settings: Settings, begins: bool, captured: Path = SKEW_DIR
) -> Mapping[str, SkewFactors] | None:
    """The factors by coin; None for the surfaces. Those captured in data/skew come before the typical ones.

    `begins`: whoever asks opens the exchange, so what is chosen is kept. Errors: BootError when the folder's exchange
    began with another smile.
    """
    folder = settings.data_dir / EXCHANGE_FOLDER
    kept = folder / SKEW_FOLDER
    began = folder.is_dir() and any(folder.iterdir())
    try:
        found = _read(kept)
        before = "surface" if not found else _name(found)
        if began and before != settings.local_smile:
            raise BootError(
                f"the exchange of {settings.data_dir} began with LOCAL_SMILE={before}: keep that, name another "
                f"DATA_DIR, or begin anew with --fresh"
            )
        if settings.local_smile == "surface":
            return None
        if not found:
            found = {name: _chosen(settings.local_smile, name, captured) for name in load_sample().recorded}
            for name, one in found.items() if begins else ():
                write_skew(skew_path(kept, name), one)
    except SkewFileError as error:
        raise BootError(str(error)) from None
    return {name: one.factors for name, one in found.items()}


def _read(kept: Path) -> dict[str, Skew]:
    found = {path.stem: read_skew(path) for path in sorted(kept.glob("*.json"))}
    return {name: one for name, one in found.items() if one is not None}


def _name(found: Mapping[str, Skew]) -> str:
    return "flat" if all(one.factors == FLAT for one in found.values()) else "skew_anchors"


def _chosen(smile: str, underlying: str, captured: Path) -> Skew:
    if smile == "flat":
        return Skew(underlying, 0, "flat", TENOR_DAYS, FLAT)
    own = read_skew(skew_path(captured, underlying))
    if own is not None:
        return own
    shape = typical_shape(surfaces_of(load_sample().recorded[underlying]))
    return Skew(underlying, 0, TYPICAL, TENOR_DAYS, typical_factors(shape))
