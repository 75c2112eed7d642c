"""KillFile: the kill switch as a file beside the ledger, which a person can also make and read by hand.

Implements ports.KillSwitch. Keeps: it fails closed. A file that is empty, made by hand or can't be read is an order to
stop; only a file that is certainly not there is none. An order is on the disk, whole, when `engage` returns.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from optionwriter.ports import KillOrder

BY_HAND = "the kill file is there"
_MOST_BYTES = 65_536
_LAST_MS = 253_402_300_800_000  # the year 10,000: no instant that can be written out
_MOST_LETTERS = 500  # of a reason: it goes into the ledger and on the page


class KillFile:
    """The file; nothing is touched until it is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> KillOrder | None:
        """The order in force, None when there certainly is none. Never raises."""
        try:
            # a pipe or a device must not hold the agent up
            file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                made_ms = os.fstat(file).st_mtime_ns // 1_000_000
                text = os.read(file, _MOST_BYTES)
            finally:
                os.close(file)
        except FileNotFoundError:
            if not os.path.lexists(self._path):
                return None
            return KillOrder(BY_HAND, "hand", 0)  # a link that leads nowhere
        except OSError as error:
            return KillOrder(f"the kill file can't be read ({error.strerror})", "hand", 0)
        return _order(text) or KillOrder(BY_HAND, "hand", made_ms)

    def engage(self, reason: str, by: str, at_ms: int) -> None:
        """Engages it, durably. Errors: OSError when it is not engaged afterwards."""
        order = {"reason": reason[:_MOST_LETTERS], "by": by, "at_ms": at_ms}
        try:
            self._write(json.dumps(order).encode() + b"\n")
        except OSError:  # a full disk may still take an empty file, which is an order too
            with suppress(OSError):
                os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
                self._sync_folder()
            if self.read() is None:
                raise

    def clear(self) -> None:
        """Lifts it, durably. Errors: OSError when it can't be removed."""
        self._path.unlink(missing_ok=True)
        self._sync_folder()

    def _write(self, body: bytes) -> None:
        file, name = tempfile.mkstemp(prefix=f"{self._path.name}.", suffix=".new", dir=self._path.parent)
        try:
            try:
                os.write(file, body)
                os.fsync(file)
            finally:
                os.close(file)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _order(text: bytes) -> KillOrder | None:
    """The order that the file spells; None for anything that `engage` did not write."""
    try:
        found = json.loads(text)
        reason, by, at_ms = found["reason"], found["by"], found["at_ms"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not (isinstance(reason, str) and isinstance(by, str) and type(at_ms) is int):
        return None
    if not 0 <= at_ms < _LAST_MS:
        return None
    return KillOrder(reason[:_MOST_LETTERS], by[:_MOST_LETTERS], at_ms)
