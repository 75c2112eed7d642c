"""The decision log: one JSON line an iteration, in agent_decisions_YYYYMMDD.jsonl (UTC day of exchange time).

Owns the file. A line goes out whole in one write, under 64 kB: a longer record gives up menu items, then rejects,
then the end of its reasoning, and says how much. Keys are sorted, so that equal records are equal bytes. A line that
a crash tore is ended before the next one is written, so that only the torn one is lost.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from optionwriter.core.market.instruments import utc_day
from optionwriter.core.report.decision import DecisionRecord

MAX_LINE_BYTES = 64_000
MENU_ITEMS = 20
NEAREST_REJECTS = 20
_REASONING_SHOWN = 4_000  # characters that are left when even an empty menu does not make a line fit


def _plain(value: object) -> object:
    """What JSON has no word for: numpy's numbers and mappings that are no dict."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"{type(value).__name__} is no plain value")


_ENCODER = msgspec.json.Encoder(order="sorted", enc_hook=_plain)  # Decimals as text, NaN as null


class DecisionLogError(Exception):
    """The log can't be written or read; names the file and the cure."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of a log that is no record: its number, from 1, and what is wrong."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class DecisionFile:
    """What a log holds. `torn_tail` is how many lines at its end were not finished (0 or 1)."""

    records: tuple[dict[str, Any], ...]
    bad_lines: tuple[BadLine, ...]
    torn_tail: int


class DecisionLog:
    """Writes the decision log of one folder."""

    def __init__(self, folder: Path, menu_items: int = MENU_ITEMS) -> None:
        """The folder is made when the first line is written; at most `menu_items` of a menu are kept."""
        self._folder = folder
        self._menu_items = menu_items
        self._checked: Path | None = None  # the file whose last line is known to be whole

    def write(self, record: DecisionRecord) -> Path:
        """Appends one line, whole, and gives its file. Raises DecisionLogError, e.g. when the disk is full."""
        path = self._folder / file_name(record.at_ms)
        line = encode_line(record, self._menu_items)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if path != self._checked and _is_torn(path):
                line = b"\n" + line
            _append(path, line)
        except OSError as error:
            self._checked = None
            raise DecisionLogError(
                f"{path}: the decision could not be written ({error.strerror or error}): make room or check the "
                "folder's permissions"
            ) from error
        self._checked = path
        return path


def file_name(at_ms: int) -> str:
    """The log's name on the UTC day of `at_ms`."""
    return f"agent_decisions_{utc_day(at_ms):%Y%m%d}.jsonl"


def encode_line(record: DecisionRecord, menu_items: int = MENU_ITEMS) -> bytes:
    """The record as one line with its end, never longer than MAX_LINE_BYTES."""
    menu, rejects = list(record.menu[:menu_items]), list(record.nearest_rejects[:NEAREST_REJECTS])
    reasoning = record.reasoning
    whole = {field.name: getattr(record, field.name) for field in fields(record)}
    while True:
        plain = whole | {"menu": menu, "nearest_rejects": rejects, "reasoning": reasoning}
        plain["left_out"] = {
            "menu": len(record.menu) - len(menu),
            "nearest_rejects": len(record.nearest_rejects) - len(rejects),
            "reasoning": len(record.reasoning) - len(reasoning),
        }
        line = _ENCODER.encode(plain) + b"\n"
        if len(line) <= MAX_LINE_BYTES:
            return line
        if menu:
            menu = menu[: len(menu) // 2]
        elif rejects:
            rejects = rejects[: len(rejects) // 2]
        elif len(reasoning) > _REASONING_SHOWN:
            reasoning = reasoning[:_REASONING_SHOWN]
        else:
            raise DecisionLogError(
                f"decision {record.decision_id}: {len(line)} bytes without menu and reasoning; a line holds "
                f"{MAX_LINE_BYTES}: its state, risk or execution summary is too large"
            )


def read_decisions(path: Path) -> DecisionFile:
    """All records of a log; lines that are none are listed, an unfinished last one is dropped and counted.

    Raises DecisionLogError when the file can't be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DecisionLogError(f"{path}: {error.strerror or error}") from error
    torn = 0 if raw.endswith(b"\n") or not raw else 1
    lines = raw.split(b"\n")[:-1]
    records: list[dict[str, Any]] = []
    bad: list[BadLine] = []
    for number, result in _parsed(lines):
        if isinstance(result, str):
            bad.append(BadLine(number, result))
        else:
            records.append(result)
    return DecisionFile(tuple(records), tuple(bad), torn)


def _parsed(lines: list[bytes]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for number, line in enumerate(lines, start=1):
        try:
            value = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield number, f"no JSON: {error}"
            continue
        if isinstance(value, dict) and isinstance(value.get("decision_id"), str):
            yield number, value
        else:
            yield number, "no decision record"


def _is_torn(path: Path) -> bool:
    """Whether the file ends in the middle of a line."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _append(path: Path, line: bytes) -> None:
    """One write at the file's end. OSError when not all of it was taken."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        written = os.write(handle, line)
        if written != len(line):
            raise OSError(f"only {written} of {len(line)} bytes were written")
    finally:
        os.close(handle)
