"""The input log: replaying it is the exchange again; a torn end is dropped, anything else refuses."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.venue.engine import Engine
from optionwriter.venue.journal import Journal, JournalError, restore, restore_file
from optionwriter.venue.wire import InProcessVenue
from tests.venue.desk import CASH
from tests.venue.flat_feed import START, FlatFeed

CALL = "BTC-4JAN26-82000-C"
NOW = START + 10 * MS_PER_HOUR


def fresh(start_ms: int = NOW) -> Engine:
    feed = FlatFeed()
    feed.pin(CALL, NOW, 0.0120, 0.0125, 0.5, 0.5)
    return Engine(feed, {"me": CASH}, start_ms, allow_local=True)


def lived(path: Path) -> Engine:
    """A few days with trades, a refusal, a deposit, a settlement; journalled."""
    engine = fresh()
    journal = Journal(path, engine)
    venue = InProcessVenue(engine, "me", journal)
    venue.call(
        "private/sell", {"instrument_name": CALL, "amount": 0.8, "price": Decimal("0.0120"), "label": "é"}
    )
    venue.call("private/sell", {"instrument_name": CALL, "amount": 0.15, "price": 0.012})
    venue.call("public/get_book_summary_by_currency", {"currency": "BTC"})
    venue.advance(NOW + MS_PER_HOUR)
    venue.call("local/deposit", {"currency": "ETH", "amount": "1.5"})
    venue.call("private/sell", {"instrument_name": CALL, "amount": "0.3", "price": "0.013"})
    venue.advance(NOW + 2 * MS_PER_HOUR)
    venue.call("private/cancel_all", {})
    venue.advance(START + 4 * MS_PER_DAY)
    venue.call("local/deposit", {"currency": "BTC", "amount": -0.25})
    journal.close()
    return engine


def test_replaying_the_inputs_gives_the_same_state(tmp_path: Path) -> None:
    path = tmp_path / "inputs.jsonl"
    engine = lived(path)
    again = fresh()
    found = restore_file(again, path)
    assert (found.inputs, found.dropped) == (9, 0)  # the read is no input
    assert again.digest() == engine.digest()
    assert again.account("me").log == engine.account("me").log
    assert len(engine.account("me").trades) == 2 and len(engine.account("me").settlements) == 1


def test_a_second_session_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    path = tmp_path / "inputs.jsonl"
    lived(path)
    second = fresh()
    restore_file(second, path)
    with Journal(path, second) as journal:
        InProcessVenue(second, "me", journal).call("local/deposit", {"currency": "BTC", "amount": 1})
    third = fresh()
    assert restore_file(third, path).inputs == 10
    assert third.digest() == second.digest()


def test_a_torn_end_is_dropped_at_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "inputs.jsonl"
    lived(path)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    before = fresh()
    restore(before, lines[:-1])
    for cut in range(1, len(lines[-1])):
        engine = fresh()
        torn = lines[-1][:cut]
        found = restore(engine, [*lines[:-1], torn])
        assert (found.inputs, found.dropped) == (8, cut)
        assert found.good_bytes == len(whole) - len(lines[-1])
        assert engine.now_ms == before.now_ms
    assert engine.digest() == before.digest()


def test_writing_goes_on_after_a_torn_end_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "inputs.jsonl"
    lived(path)
    path.write_bytes(path.read_bytes()[:-9])
    engine = fresh()
    found = restore_file(engine, path)
    assert found.dropped > 0
    with Journal(path, engine, keep_bytes=found.good_bytes) as journal:
        InProcessVenue(engine, "me", journal).call("local/deposit", {"currency": "BTC", "amount": 1})
    again = fresh()
    assert restore_file(again, path).dropped == 0
    assert again.digest() == engine.digest()


@pytest.mark.parametrize(
    "damage", [b"\n", b"{\n", b"\x00\x00\x00\n", b"[]\n", b'{"surprise":1}\n', b'{"to_ms":1}\n']
)
def test_damage_in_the_middle_refuses_and_names_the_line(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "inputs.jsonl"
    lived(path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = damage
    with pytest.raises(JournalError, match=r"line 4 .* damaged"):
        restore(fresh(), lines)


def test_another_exchanges_log_and_a_newer_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "inputs.jsonl"
    lived(path)
    with pytest.raises(JournalError, match="another exchange: its start_ms"):
        restore_file(fresh(NOW + 1), path)
    richer = Engine(FlatFeed(), {"me": {**CASH, "BTC": Decimal(3)}}, NOW, allow_local=True)
    with pytest.raises(JournalError, match="another exchange: its accounts"):
        restore_file(richer, path)
    newer = path.read_bytes().replace(b'"journal":1', b'"journal":2', 1).splitlines(keepends=True)
    with pytest.raises(JournalError, match="version 2"):
        restore(fresh(), newer)
    with pytest.raises(JournalError, match=r"line 1 .* no heading"):
        restore(fresh(), newer[1:])


def test_no_file_is_an_exchange_without_a_past(tmp_path: Path) -> None:
    assert restore_file(fresh(), tmp_path / "none").inputs == 0
