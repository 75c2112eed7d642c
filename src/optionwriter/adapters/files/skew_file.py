"""Skew files: factors of one underlying as a market showed them, kept as JSON, whole or not at all."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from optionwriter.core.market.skew_factors import ANCHORS, Skew, SkewFactors

SKEW_FOLDER = "skew"
_CURE = "fetch it anew with optionwriter calibrate skew, or take it away"


class SkewFileError(Exception):
    """A file of skew factors that can't be read or written; the message names it and the cure."""


def skew_path(folder: Path, underlying: str) -> Path:
    """Where an underlying's factors lie."""
    return folder / f"{underlying}.json"


def read_skew(path: Path) -> Skew | None:
    """The factors kept there, None where there is no file. Errors: SkewFileError."""
    try:
        body = json.loads(path.read_bytes())
        if tuple(body["anchors"]) != ANCHORS:
            raise ValueError(f"its deltas are {body['anchors']}, not {list(ANCHORS)}")
        factors = SkewFactors(_four(body["call"]), _four(body["put"]))
        return Skew(
            str(body["underlying"]),
            int(body["at_ms"]),
            str(body["source"]),
            float(body["tenor_days"]),
            factors,
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SkewFileError(f"{path} holds no skew factors ({error}): {_CURE}") from None


def write_skew(path: Path, skew: Skew) -> None:
    """Replaces the file. Errors: SkewFileError."""
    body = {
        "underlying": skew.underlying,
        "at_ms": skew.at_ms,
        "source": skew.source,
        "tenor_days": skew.tenor_days,
        "anchors": ANCHORS,
        "call": skew.factors.call,
        "put": skew.factors.put,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            json.dump(body, file, indent=2)
            file.write("\n")
        Path(file.name).replace(path)
    except OSError as error:
        raise SkewFileError(f"{path} can't be written ({error}): free or name another folder") from None


def _four(values: list[float]) -> tuple[float, float, float, float]:
    one, two, three, four = (float(value) for value in values)
    return one, two, three, four
