"""Journal: the exchange's input log, one JSON line an input, and the exchange made anew from it.

Only inputs are kept (requests that change something, and the passing of time): the engine is deterministic, so
replaying them gives the same state. The first line says which exchange the log belongs to. A last line without its end
is what a crash leaves: it is dropped and counted. Anything else that can't be read refuses. The only file I/O of venue.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from io import RawIOBase
from itertools import chain
from pathlib import Path
from typing import Self

import msgspec

from optionwriter.venue.engine import Engine

VERSION = 1


class JournalError(Exception):
    """The input log is torn in the middle, newer than this code, or another exchange's; the message says which."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a replay found: the lines applied, and the torn bytes at the end that were dropped."""

    inputs: int
    dropped: int
    good_bytes: int
    lines: int = 0  # good ones in the file after its first
    until_ms: int = 0  # the latest instant that was promised: exchange time goes on from there or later


def heading(engine: Engine) -> dict[str, object]:
    """What the first line says of an exchange: its start and its accounts' opening cash."""
    state = engine.state
    return {
        "journal": VERSION,
        "start_ms": state.start_ms,
        "accounts": {
            name: {currency: f"{amount:f}" for currency, amount in account.opening.items()}
            for name, account in state.accounts.items()
        },
        "local": engine.allow_local,
    }


class Journal:
    """Appends inputs to a file. Opening a file that has lines is right only after `restore_file` has read them."""

    def __init__(self, path: Path, engine: Engine, keep_bytes: int | None = None) -> None:
        """`keep_bytes` cuts a torn end off first (Restored.good_bytes)."""
        self._file: RawIOBase = path.open("ab", buffering=0)
        if keep_bytes is not None:
            self._file.truncate(keep_bytes)
        self._good = path.stat().st_size
        self._torn = False
        if not self._good:
            self._write(heading(engine))

    def request(self, account_id: str | None, method: str, params: Mapping[str, object], at_ms: int) -> None:
        """A request that changes the exchange, before it is applied."""
        self._write({"at_ms": at_ms, "account": account_id, "method": method, "params": _texts(params)})

    def advance(self, to_ms: int) -> None:
        """The passing of time, before it passes."""
        self._write({"to_ms": to_ms})

    def promise(self, until_ms: int) -> None:
        """Exchange time, after a restart, goes on from here or later: written before any instant up to it is shown."""
        self._write({"until_ms": until_ms})

    def size(self) -> int:
        """Bytes in whole lines."""
        return self._good

    def sync(self) -> None:
        """Makes what was written survive the machine, not just the process."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Ends the log."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, line: Mapping[str, object]) -> None:
        """A whole line or none: what a full disk cut off is taken back. Errors: OSError."""
        if self._torn:
            raise OSError("its last line is torn: restart, which drops it")
        data = memoryview(msgspec.json.encode(line) + b"\n")
        size = len(data)
        try:
            while data:
                data = data[self._file.write(data) or 0 :]
        except OSError:
            self._take_back()
            raise
        self._good += size

    def _take_back(self) -> None:
        try:
            self._file.truncate(self._good)
        except OSError:
            self._torn = True


def restore(engine: Engine, lines: Iterable[bytes], skipped: int = 0) -> Restored:
    """Replays a log's lines, each with its newline, into a fresh engine made as the log's first line says.

    `skipped` lines after the first are in the engine already and not in `lines`. Errors: JournalError naming the line;
    the engine is then good for nothing.
    """
    inputs = good = known = until_ms = 0
    torn: bytes | None = None
    for number, line in enumerate(lines, start=1):
        if torn is not None:
            raise _bad(skipped + number - 1, "it cannot be read, and lines follow it")
        entry = _decode(line)
        if entry is None:
            torn = line
            continue
        if number == 1:
            _check_heading(engine, entry)
        elif isinstance(promised := entry.get("until_ms"), int):
            until_ms = max(until_ms, promised)
        else:
            _apply(engine, entry, skipped + number)
            inputs += 1
        good += len(line)
        known = skipped + number - 1
    return Restored(inputs, 0 if torn is None else len(torn), good, known, until_ms)


def restore_file(engine: Engine, path: Path, from_byte: int = 0, skipped: int = 0) -> Restored:
    """The same from a file; one that is missing or empty is an exchange without a past.

    `from_byte` is where the lines begin that a snapshot doesn't know, after `skipped` that it does.
    """
    if not path.exists():
        return Restored(0, 0, 0)
    with path.open("rb") as file:
        if not from_byte:
            return restore(engine, file)
        first = file.readline()
        file.seek(from_byte)
        tail = restore(engine, chain((first,), file), skipped)
        return replace(tail, good_bytes=tail.good_bytes - len(first) + from_byte)


def check_file(engine: Engine, path: Path) -> None:
    """Errors: JournalError when a file's first line is another exchange's than `engine`, a fresh one."""
    if path.exists():
        with path.open("rb") as file:
            entry = _decode(file.readline())
        if entry is not None:
            _check_heading(engine, entry)


def _decode(line: bytes) -> dict[str, object] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        entry = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None
    return entry if isinstance(entry, dict) else None


def _check_heading(engine: Engine, entry: Mapping[str, object]) -> None:
    version = entry.get("journal")
    if not isinstance(version, int):
        raise _bad(1, "it is no heading of an exchange's input log")
    if version > VERSION:
        raise JournalError(
            f"the exchange's input log is of version {version} and this code reads {VERSION}: update the code"
        )
    expected = heading(engine)
    for key in ("start_ms", "accounts", "local"):
        if entry.get(key) != expected[key]:
            raise JournalError(
                f"the exchange's input log belongs to another exchange: its {key} is {entry.get(key)}, not "
                f"{expected[key]}; start it with the same, or begin anew"
            )


def _apply(engine: Engine, entry: Mapping[str, object], number: int) -> None:
    to_ms, at_ms = entry.get("to_ms"), entry.get("at_ms")
    try:
        if isinstance(to_ms, int):
            engine.advance(to_ms)
            return
        account, method, params = entry.get("account"), entry.get("method"), entry.get("params")
        known = account is None or isinstance(account, str)
        if known and isinstance(at_ms, int) and isinstance(method, str) and isinstance(params, dict):
            engine.handle(account if isinstance(account, str) else None, method, params, at_ms)
            return
    except ValueError as error:
        raise _bad(number, str(error)) from None
    raise _bad(number, "it is no input of this exchange")


def _bad(number: int, why: str) -> JournalError:
    return JournalError(
        f"line {number} of the exchange's input log is damaged ({why}): restore the file from a copy, or begin anew"
    )


def _texts(params: Mapping[str, object]) -> dict[str, object]:
    """Parameters as JSON keeps them: a Decimal as its text, which reads back as the same number."""
    return {key: f"{one:f}" if isinstance(one, Decimal) else one for key, one in params.items()}
