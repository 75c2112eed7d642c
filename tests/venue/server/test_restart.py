"""What survives: a stop, a kill at any instant, torn files, a foreign folder, a full disk."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from optionwriter.venue import opening
from optionwriter.venue.calls import Call
from optionwriter.venue.front import Visit
from optionwriter.venue.journal import JournalError
from optionwriter.venue.opening import LOG_NAME, SNAPSHOT_NAME, Exchange, open_exchange, recorded_start
from optionwriter.venue.snapshot import NOT_KEPT, read_snapshot
from optionwriter.venue.state import State
from tests.patience import LONGEST_S
from tests.venue.flat_feed import FlatFeed
from tests.venue.server.house import KEYS, OPENED, HandClock, decoded, exchange, serving

ROOT = Path(__file__).parents[3]
BASIC = ("local", "local")
VISIT = Visit("Basic bG9jYWw6bG9jYWw=")
NAME = "BTC-4JAN26-82000-C"
MINUTE = 60_000


def ask(opened: Exchange, method: str, **params: Any) -> Any:
    """The result of one call at the desk."""
    import msgspec

    served = opened.desk.serve(Call(method, params), VISIT)
    assert served.error is None, served.error
    return msgspec.json.decode(served.body)["result"]


def live(opened: Exchange) -> None:
    """Some of everything that the state holds."""
    ask(opened, "private/sell", instrument_name=NAME, amount="0.5", price="0.0005", label="now")
    ask(opened, "private/sell", instrument_name=NAME, amount="0.2", price="0.02", label="later")
    edited = ask(opened, "private/sell", instrument_name=NAME, amount="0.1", price="0.021")["order"][
        "order_id"
    ]
    ask(opened, "private/edit", order_id=edited, amount="0.3", price="0.022")
    gone = ask(opened, "private/sell", instrument_name=NAME, amount="0.1", price="0.02")["order"]["order_id"]
    ask(opened, "private/cancel", order_id=gone)
    ask(opened, "local/deposit", currency="USDC", amount="12.5")
    ask(opened, "private/buy", instrument_name="ETH-2JAN26-3000-P", amount="2", price="0.02")
    ask(opened, "local/advance", to_ms=opened.engine.now_ms + 24 * 60 * MINUTE)  # over a settlement
    ask(opened, "private/buy", instrument_name=NAME, amount="0.1", price="0.02")
    ask(opened, "private/sell", instrument_name=NAME, amount="0.1", price="0.025")
    ask(opened, "private/sell", instrument_name=NAME, amount="0.1", price="0.0255")


INPUTS = 11
"""Of `live`, jumps apart."""


def digest(opened: Exchange) -> str:
    return opened.engine.digest()


def test_a_stop_keeps_everything_and_the_snapshot_spares_the_replay(tmp_path: Path) -> None:
    first = exchange(tmp_path, HandClock())
    live(first)
    assert len(first.engine.account("local").open_orders) == 2
    assert len(first.engine.account("local").settlements) > 0
    ask(first, "local/advance", to_ms=first.engine.now_ms + 1_000)  # as far as the last promise went
    first.close()
    second = exchange(tmp_path, HandClock())
    assert second.restored is not None
    assert (second.restored.inputs, second.restored.dropped) == (0, 0)
    ask(second, "local/time")
    second.engine.advance(second.engine.now_ms)
    again = exchange(clock=HandClock())
    live(again)
    again.engine.advance(second.engine.now_ms)
    assert digest(second) == digest(again)
    second.close()


def test_without_the_snapshot_the_log_alone_gives_the_same(tmp_path: Path) -> None:
    first = exchange(tmp_path, HandClock())
    live(first)
    first.close()
    kept = exchange(tmp_path, HandClock())
    with_snapshot = digest(kept)
    kept.close()
    (tmp_path / SNAPSHOT_NAME).unlink()
    replayed = exchange(tmp_path, HandClock())
    assert replayed.restored is not None
    assert replayed.restored.inputs == INPUTS
    assert digest(replayed) == with_snapshot
    assert replayed.engine.now_ms == kept.engine.now_ms
    replayed.close()


def test_what_follows_a_restart_is_what_would_have_followed(tmp_path: Path) -> None:
    """Shared records stay shared: an order that rests is the one that its account and its trades know."""
    first = exchange(tmp_path, HandClock(), frozen=True)
    live(first)
    first.close()
    second = exchange(tmp_path, HandClock(), frozen=True)
    state = second.engine.state
    for queue in state.resting.values():
        for order in queue:
            account = state.accounts[order.account_id]
            assert account.orders[order.order_id] is account.open_orders[order.order_id] is order
    untouched = exchange(clock=HandClock(), frozen=True)
    live(untouched)
    for one in (second, untouched):
        one.engine.state.market.feed.pin(NAME, one.engine.now_ms, 0.03, 0.031)
        ask(one, "local/advance", to_ms=one.engine.now_ms + 10 * MINUTE)
        ask(one, "private/sell", instrument_name=NAME, amount="0.1", price="0.03")
    assert digest(second) == digest(untouched)
    assert not second.engine.account("local").open_orders, "both resting offers were taken"
    second.close()


def test_every_part_of_the_state_is_in_a_snapshot(tmp_path: Path) -> None:
    first = exchange(tmp_path, HandClock())
    live(first)
    first.close()
    fresh = exchange(clock=HandClock())
    place = read_snapshot(tmp_path / SNAPSHOT_NAME, fresh.engine.state, tmp_path / LOG_NAME)
    assert place is not None
    for one in fields(State):
        if one.name not in NOT_KEPT and one.name != "resting":
            assert repr(getattr(fresh.engine.state, one.name)) == repr(getattr(first.engine.state, one.name))


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "version", "other_log", "short_log"])
def test_a_bad_snapshot_is_left_aside(tmp_path: Path, harm: str) -> None:
    first = exchange(tmp_path, HandClock())
    live(first)
    first.close()
    good = exchange(tmp_path, HandClock())
    expected = digest(good)
    good.close()
    path, log = tmp_path / SNAPSHOT_NAME, tmp_path / LOG_NAME
    raw = path.read_bytes()
    changed = {
        "cut": raw[:-1],
        "flip": raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:],
        "empty": b"",
        "version": raw.replace(b'"snapshot":1', b'"snapshot":2', 1),
    }
    path.write_bytes(changed.get(harm, raw))
    lines = log.read_bytes().splitlines(keepends=True)
    if harm == "other_log":  # the same length, but a price is another
        log.write_bytes(b"".join(lines).replace(b'"0.0005"', b'"0.0004"', 1))
    if harm == "short_log":
        log.write_bytes(b"".join(lines[:3]))
    again = exchange(tmp_path, HandClock())
    assert again.restored is not None
    assert again.restored.inputs == (2 if harm == "short_log" else INPUTS)
    assert (digest(again) == expected) == (harm not in ("short_log", "other_log"))
    again.close()


def test_damage_after_a_snapshot_is_named_by_its_line(tmp_path: Path) -> None:
    kept = b""
    for _ in range(3):
        opened = exchange(tmp_path, HandClock())
        kept = (tmp_path / SNAPSHOT_NAME).read_bytes() if kept or opened.restored.lines else b""
        for _ in range(4):
            ask(opened, "local/deposit", currency="BTC", amount="1")
        opened.close()
    (tmp_path / SNAPSHOT_NAME).write_bytes(kept)
    log = tmp_path / LOG_NAME
    lines = log.read_bytes().splitlines(keepends=True)
    lines[-2] = b"{]\n"
    log.write_bytes(b"".join(lines))
    with pytest.raises(JournalError, match=f"line {len(lines) - 1} of"):
        exchange(tmp_path, HandClock())


@pytest.mark.parametrize(
    ("lines", "jump_h", "taken"), [(3, 0, False), (4, 0, True), (1, 6, True), (1, 5, False)]
)
def test_snapshots_are_taken_between_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int, jump_h: int, taken: bool
) -> None:
    monkeypatch.setattr(opening, "SNAPSHOT_LINES", 4)
    opened = exchange(tmp_path, HandClock())
    with (
        serving(opened) as url,
        httpx2.Client(base_url=f"{url}/api/v2/", auth=BASIC, timeout=LONGEST_S) as http,
    ):
        if jump_h:
            assert http.get(f"local/advance?to_ms={OPENED + jump_h * 60 * MINUTE}").status_code == 200
        else:
            for _ in range(lines):
                assert http.get("local/deposit?currency=BTC&amount=1").status_code == 200
        http.get("public/test")  # the reply goes out before the snapshot is taken
        assert (tmp_path / SNAPSHOT_NAME).exists() is taken


def test_one_process_at_a_time(tmp_path: Path) -> None:
    first = exchange(tmp_path)
    with pytest.raises(JournalError, match="another exchange runs in"):
        exchange(tmp_path)
    first.close()
    exchange(tmp_path).close()


def test_another_exchange_s_folder_is_refused_with_and_without_snapshot(tmp_path: Path) -> None:
    first = exchange(tmp_path)
    live(first)
    first.close()
    poor = {"local": {"BTC": Decimal(1)}, "other": {}}
    for _ in range(2):
        with pytest.raises(JournalError, match="accounts"):
            open_exchange(
                FlatFeed(), poor, KEYS, OPENED, time.monotonic, lambda: 0, tmp_path, allow_local=True
            )
        (tmp_path / SNAPSHOT_NAME).unlink(missing_ok=True)
    assert recorded_start(tmp_path) == OPENED
    assert recorded_start(tmp_path / "new") is None


def test_a_torn_first_line_is_a_new_exchange(tmp_path: Path) -> None:
    (tmp_path / LOG_NAME).write_bytes(b'{"journal":1,"sta')
    assert recorded_start(tmp_path) is None
    first = exchange(tmp_path)
    live(first)
    first.close()
    again = exchange(tmp_path)
    assert len(again.engine.account("local").open_orders) == 2
    again.close()


def test_time_goes_on_from_what_was_shown(tmp_path: Path) -> None:
    clock = HandClock()
    first = exchange(tmp_path, clock)
    shown = []
    for _ in range(50):
        clock.seconds += 0.3
        shown.append(ask(first, "public/get_time"))
    log = (tmp_path / LOG_NAME).read_bytes()
    assert log.count(b"until_ms") <= 15, "a line a second of flowing time at most"
    first.keeper._journal.close()  # killed: no snapshot, nothing more written
    first.keeper._lock.close()
    again = exchange(tmp_path, HandClock())
    assert shown[-1] <= again.engine.now_ms <= shown[-1] + 1_000
    again.close()


def test_a_full_disk_refuses_and_nothing_is_half_done(tmp_path: Path) -> None:
    opened = exchange(tmp_path, HandClock())
    live(opened)
    before = digest(opened)
    journal = opened.keeper._journal
    order = {"instrument_name": NAME, "amount": "0.1", "price": "0.02"}
    whole = journal._file

    class Full:
        """A disk that takes ten bytes of a line, and then no more."""

        def write(self, data: memoryview) -> int:
            if len(data) > 100:
                return int(whole.write(data[:10]) or 0)
            raise OSError(28, "No space left on device")

        def truncate(self, size: int) -> int:
            return whole.truncate(size)

    journal._file = Full()
    for _ in range(2):
        served = opened.desk.serve(Call("private/sell", order), VISIT)
        assert served.error is not None
        assert served.error.code == 13028
    assert digest(opened) == before
    journal._file = whole
    ask(opened, "private/sell", **order)
    after = digest(opened)
    opened.close()
    (tmp_path / SNAPSHOT_NAME).unlink()
    again = exchange(tmp_path, HandClock(), frozen=True)
    again.engine.advance(again.engine.now_ms)
    assert again.restored is not None
    assert (again.restored.inputs, again.restored.dropped) == (INPUTS + 1, 0)
    assert after != before
    again.close()


class Process:
    """An exchange of its own process."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        command = [sys.executable, "-m", "tests.venue.server.exchange_process", str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
        self.lines: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if "listens on" in line:
                break
        assert self.lines, "the exchange said nothing"
        self.http = httpx2.Client(base_url=self.lines[-1].split()[-1] + "/", auth=BASIC, timeout=LONGEST_S)

    def ask(self, method: str, **params: Any) -> Any:
        body = decoded(self.http.get(method, params=params))
        assert "error" not in body, body
        return body["result"]

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        code = self.process.wait(LONGEST_S)
        assert self.process.stdout is not None
        self.lines += self.process.stdout.readlines()
        self.process.stdout.close()
        self.http.close()
        return code


class Witness:
    """Acts at random until the exchange is killed, and remembers everything that it was told."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.time = 0
        self.orders: dict[str, str] = {}
        self.cancelled: set[str] = set()
        self.log: dict[int, Any] = {}
        self.trades: dict[str, Any] = {}
        self.sent = 0
        self.acknowledged = 0

    def act(self, process: Process) -> None:
        kind = self.rng.choice(("rest", "take", "cancel", "deposit", "jump", "read", "time"))
        if kind in ("rest", "take"):
            self.sent += 1
            label, price = f"n{self.sent}", "0.02" if kind == "rest" else "0.0005"
            reply = process.ask("private/sell", instrument_name=NAME, amount="0.1", price=price, label=label)
            self.orders[label] = reply["order"]["order_id"]
            self.trades |= {one["trade_id"]: one for one in reply["trades"]}
        elif kind == "cancel":
            open_ = process.ask("private/get_open_orders")
            if open_:
                gone = process.ask("private/cancel", order_id=self.rng.choice(open_)["order_id"])
                self.cancelled.add(gone["order_id"])
        elif kind == "deposit":
            entry = process.ask("local/deposit", currency="BTC", amount="0.5")
            self.log[entry["id"]] = entry
        elif kind == "jump":
            now = process.ask("local/time")["now_ms"]
            self.time = process.ask("local/advance", to_ms=now + self.rng.randrange(120_000))["now_ms"]
        elif kind == "read":
            self.read(process)
        else:
            self.time = max(self.time, process.ask("public/get_time"))
        self.acknowledged += 1

    def read(self, process: Process) -> None:
        self.log |= whole_log(process)
        page = process.ask("private/get_user_trades_by_currency", currency="BTC", count=1000)
        self.trades |= {one["trade_id"]: one for one in page["trades"]}

    def check(self, process: Process) -> None:
        """Everything told is still so, and nothing is there twice."""
        assert process.ask("public/get_time") >= self.time
        log = whole_log(process)
        assert {number: log.get(number) for number in self.log} == self.log
        page = process.ask("private/get_user_trades_by_currency", currency="BTC", count=1000)
        trades = {one["trade_id"]: one for one in page["trades"]}
        assert {number: trades.get(number) for number in self.trades} == self.trades
        open_ = process.ask("private/get_open_orders")
        labels = [one["label"] for one in open_]
        assert len(set(labels)) == len(labels)
        resting = {one["order_id"] for one in open_}
        assert not resting & self.cancelled
        traded = {one["order_id"] for one in trades.values()}
        lost = set(self.orders.values()) - resting - self.cancelled - traded
        # The one order whose cancelling went out with the kill may be gone without our knowing.
        assert len(lost) <= 1
        self.cancelled |= lost


def whole_log(process: Process) -> dict[int, Any]:
    found: dict[int, Any] = {}
    more: dict[str, Any] = {}
    while True:
        page = process.ask(
            "private/get_transaction_log",
            currency="BTC",
            start_timestamp=0,
            end_timestamp=OPENED * 2,
            count=250,
            **more,
        )
        found |= {one["id"]: one for one in page["logs"]}
        if page["continuation"] is None:
            return found
        more = {"continuation": page["continuation"]}


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for one in started:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_kill_9_at_any_instant_loses_nothing(tmp_path: Path, processes: list[Process], kills: int) -> None:
    witness = Witness(kills)
    for _ in range(kills):
        process = Process(tmp_path)
        processes.append(process)
        witness.check(process)
        for _ in range(8):  # however busy the machine is, the kill finds it at work
            witness.act(process)
        timer = threading.Timer(witness.rng.uniform(0.02, 0.5), process.process.kill)
        timer.start()
        try:
            while True:
                witness.act(process)
        except httpx2.TransportError:
            pass
        timer.join()
        process.end(signal.SIGKILL)
    assert (tmp_path / SNAPSHOT_NAME).exists()
    last = Process(tmp_path)
    processes.append(last)
    witness.check(last)
    assert witness.acknowledged > kills and len(witness.orders) > 1
    assert last.end(signal.SIGTERM) == 0
    assert last.lines[-1] == "closed\n"
    kept = exchange(tmp_path, HandClock(), counts_credits=False)
    kept.close()
    (tmp_path / SNAPSHOT_NAME).unlink()
    replayed = exchange(tmp_path, HandClock(), counts_credits=False)
    assert digest(replayed) == digest(kept), "the log alone gives what the snapshots gave"
    replayed.close()
