"""Opening: an exchange from its folder, as it was when it stopped or was killed, and closed again.

The folder holds the input log, the latest snapshot, and a lock that the system lifts when the process dies. One process
at a time may hold it.
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO

import msgspec

from optionwriter.ports import Feed
from optionwriter.venue.auth import ApiKey, Auth, check_keys
from optionwriter.venue.credits import Credits
from optionwriter.venue.engine import Engine
from optionwriter.venue.exchange_time import ExchangeTime
from optionwriter.venue.front import FrontDesk
from optionwriter.venue.journal import Journal, JournalError, Restored, check_file, restore_file
from optionwriter.venue.snapshot import Place, read_snapshot, write_snapshot

LOG_NAME, SNAPSHOT_NAME, LOCK_NAME = "inputs.jsonl", "snapshot.json", "lock"
SNAPSHOT_LINES = 2_000
SNAPSHOT_SPAN_MS = 6 * 3_600_000
SNAPSHOT_SHARE = 50  # at least so many times a snapshot's own duration between two of them

_log = logging.getLogger(__name__)

Cash = Mapping[str, Mapping[str, Decimal]]

DEMO_CASH = {"BTC": Decimal(2), "ETH": Decimal(20), "USDC": Decimal(200_000)}
DEMO_KEY = ApiKey("local", "local", "local")


class Keeper:
    """The folder's files: takes inputs down, and a snapshot now and then."""

    def __init__(self, folder: Path, engine: Engine, monotonic: Callable[[], float]) -> None:
        self._folder, self._engine, self._monotonic = folder, engine, monotonic
        self._lock = _hold(folder / LOCK_NAME)
        try:
            log = folder / LOG_NAME
            check_file(engine, log)
            place = read_snapshot(folder / SNAPSHOT_NAME, engine.state, log) or Place(0, 0, 0)
            self.restored = restore_file(engine, log, place.log_bytes, place.log_lines)
            self._journal = Journal(log, engine, self.restored.good_bytes)
        except BaseException:
            self._lock.close()
            raise
        self.until_ms = max(place.until_ms, self.restored.until_ms)
        self._lines = self.restored.lines
        self._kept_lines, self._kept_ms, self._next_s = self._lines, engine.now_ms, monotonic()

    def request(self, account_id: str | None, method: str, params: Mapping[str, object], at_ms: int) -> None:
        """A request that changes the exchange."""
        self._journal.request(account_id, method, params, at_ms)
        self._lines += 1

    def promise(self, until_ms: int) -> None:
        """Exchange time goes on from here or later."""
        self._journal.promise(until_ms)
        self._lines += 1
        self.until_ms = max(self.until_ms, until_ms)

    def rest(self) -> None:
        """Takes a snapshot when replaying what came since the last would take long."""
        much = self._lines - self._kept_lines >= SNAPSHOT_LINES
        long = self._engine.now_ms - self._kept_ms >= SNAPSHOT_SPAN_MS
        if (much or long) and self._monotonic() >= self._next_s:
            self.snapshot()

    def snapshot(self) -> None:
        """Takes one now; a failure is told and costs nothing but time at the next start."""
        began_s = self._monotonic()
        try:
            self._journal.sync()
            place = Place(self._journal.size(), self._lines, self.until_ms)
            write_snapshot(self._folder / SNAPSHOT_NAME, self._engine.state, place, self._folder / LOG_NAME)
        except (OSError, TypeError) as error:
            _log.warning("no snapshot of the exchange could be written: %s", error)
        self._kept_lines, self._kept_ms = self._lines, self._engine.now_ms
        self._next_s = self._monotonic() + SNAPSHOT_SHARE * (self._monotonic() - began_s)

    def close(self) -> None:
        """A last snapshot, and the folder is free."""
        self.snapshot()
        self._journal.close()  # unbuffered: nothing is left to be written
        self._lock.close()


@dataclass(frozen=True, slots=True)
class Exchange:
    """An open exchange. `restored` says what was found; None without a folder."""

    engine: Engine
    desk: FrontDesk
    keeper: Keeper | None
    keys: tuple[ApiKey, ...]

    @property
    def restored(self) -> Restored | None:
        """What the log held at the start."""
        return self.keeper.restored if self.keeper else None

    def greeting(self) -> list[str]:
        """Each key's account and cash, for whoever wants to use them; only the demo's secret is told."""
        lines = []
        for key in self.keys:
            cash = self.engine.account(key.account_id).cash
            secret = key.secret if key == DEMO_KEY else "(yours)"
            held = ", ".join(f"{amount.normalize():,f} {currency}" for currency, amount in cash.items())
            lines.append(f"Client id {key.client_id}, client secret {secret}: {held}")
        return lines

    def close(self) -> None:
        """Leaves everything on disk."""
        if self.keeper:
            self.keeper.close()


def open_exchange(
    feed: Feed,
    accounts: Cash,
    keys: tuple[ApiKey, ...],
    start_ms: int,
    monotonic: Callable[[], float],
    wall_ms: Callable[[], int],
    folder: Path | None = None,
    allow_local: bool = False,
    frozen: bool = False,
    counts_credits: bool = True,
) -> Exchange:
    """The exchange of a folder, or one without a memory.

    `start_ms` is where a new one begins (`recorded_start` tells where an old one began). `monotonic` are seconds,
    `wall_ms` the machine's time, against which signatures are held. Errors: JournalError, ValueError for bad keys.
    """
    check_keys(keys)
    engine = Engine(feed, accounts, start_ms, allow_local)
    for key in keys:
        if key.account_id not in engine.state.accounts:
            raise ValueError(f"the exchange's key {key.client_id} names no account: {key.account_id}")
    keeper = None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        keeper = Keeper(folder, engine, monotonic)
        engine.advance(max(engine.now_ms, keeper.until_ms))
    time = ExchangeTime(engine.now_ms, monotonic, frozen)
    desk = FrontDesk(
        engine,
        time,
        Auth(keys, time.now_ms, wall_ms),
        Credits(time.now_us) if counts_credits else None,
        keeper,
        engine.now_ms if keeper else 0,
    )
    return Exchange(engine, desk, keeper, keys)


def recorded_start(folder: Path) -> int | None:
    """Where the exchange of a folder began; None for a new one. Errors: JournalError."""
    log = folder / LOG_NAME
    if not log.exists():
        return None
    with log.open("rb") as file:
        first = file.readline()
    if not first.endswith(b"\n"):
        return None  # killed before its first line was whole: nothing has happened
    try:
        start = msgspec.json.decode(first)["start_ms"]
    except (msgspec.DecodeError, KeyError, TypeError):
        raise JournalError(
            f"{log} is no input log of an exchange: name another folder, or begin anew"
        ) from None
    return int(start)


def _hold(path: Path) -> IO[str]:
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise JournalError(
            f"another exchange runs in {path.parent}: stop it, or name another folder"
        ) from None
    return lock
