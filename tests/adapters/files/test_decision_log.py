"""The decision log: whole lines, bounded, equal bytes, and what a crash leaves behind."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from optionwriter.adapters.files.decision_log import (
    MAX_LINE_BYTES,
    DecisionLog,
    DecisionLogError,
    encode_line,
    file_name,
    read_decisions,
)
from optionwriter.core.report.decision import DecisionRecord, Diagnostics

AT_MS = 1_767_225_599_999  # 2025-12-31 23:59:59.999 UTC


def record(number: int = 1, at_ms: int = AT_MS, items: int = 3, **changes: object) -> DecisionRecord:
    values: dict[str, object] = {
        "decision_id": f"d{number}",
        "at_ms": at_ms,
        "strategy_id": "cc_btc",
        "mode": "paper",
        "fingerprint": "f00d",
        "state": {"cash": {"BTC": Decimal("1.00000000")}},
        "menu": tuple({"key": f"open:{i}", "score": 0.5, "spread": float("nan")} for i in range(items)),
        "gate_counts": {"delta": 12, "dte": np.int64(3)},
        "nearest_rejects": (
            {"gate": "delta", "value": np.float64(0.41), "threshold": 0.4, "distance": 0.01},
        ),
        "proposed": {"items": ["open:0"]},
        "risk": {"approved": True, "codes": ()},
        "final": {"action": "OPEN_COVERED_CALL"},
        "execution": {"outcome": "filled"},
        "reasoning": "best score",
        "diagnostics": Diagnostics(delta=0.25, dte=9.5, premium_usd=310.0, ivrv=1.2),
    }
    return DecisionRecord(**(values | changes))


def test_the_file_is_named_by_the_utc_day_of_exchange_time(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path)
    log.write(record(1))
    log.write(record(2, AT_MS + 1))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "agent_decisions_20251231.jsonl",
        "agent_decisions_20260101.jsonl",
    ]


def test_a_line_holds_the_whole_record_in_sorted_keys_without_losing_a_digit(tmp_path: Path) -> None:
    path = DecisionLog(tmp_path).write(record())
    line = json.loads(path.read_text().splitlines()[0])
    assert list(line) == sorted(line)
    assert line["state"]["cash"]["BTC"] == "1.00000000"
    assert line["menu"][0]["spread"] is None  # NaN is no JSON
    assert line["gate_counts"] == {"delta": 12, "dte": 3}
    assert line["diagnostics"] == {"delta": 0.25, "dte": 9.5, "premium_usd": 310.0, "ivrv": 1.2}
    assert line["left_out"] == {"menu": 0, "nearest_rejects": 0, "reasoning": 0}


def test_equal_records_give_equal_bytes_whatever_the_order_of_their_keys() -> None:
    one = record(gate_counts={"delta": 12, "dte": 3})
    other = record(gate_counts={"dte": 3, "delta": 12})
    assert encode_line(one) == encode_line(other)


def test_a_record_that_is_too_long_gives_up_menu_first_and_says_how_much() -> None:
    row = {"key": "open:x", "note": "n" * 5_000}
    line = encode_line(record(menu=(row,) * 20, reasoning="r" * 9_000))
    assert len(line) <= MAX_LINE_BYTES and line.endswith(b"\n")
    kept = json.loads(line)
    assert len(kept["menu"]) + kept["left_out"]["menu"] == 20
    assert 0 < len(kept["menu"]) < 20
    assert len(kept["reasoning"]) == 9_000
    with pytest.raises(DecisionLogError, match=r"d1.*too large"):
        encode_line(record(state={"blob": "s" * MAX_LINE_BYTES}))


def test_a_log_torn_at_any_byte_loses_only_the_torn_line_and_takes_new_ones(tmp_path: Path) -> None:
    whole = encode_line(record(1)) + encode_line(record(2))
    first = len(encode_line(record(1)))
    path = tmp_path / file_name(AT_MS)
    for cut in [1, first - 1, first, first + 1, len(whole) - 1, len(whole)]:
        path.write_bytes(whole[:cut])
        before = read_decisions(path)
        assert before.torn_tail == (0 if cut in (first, len(whole)) else 1)
        assert [one["decision_id"] for one in before.records] == ["d1", "d2"][: whole[:cut].count(b"\n")]
        log = DecisionLog(tmp_path)
        log.write(record(3))
        log.write(record(4))
        after = read_decisions(path)
        assert [one["decision_id"] for one in after.records][-2:] == ["d3", "d4"]
        assert after.torn_tail == 0
        # A line whose end alone was missing is whole again; every other torn line is reported by number.
        lost = before.torn_tail and cut not in (first - 1, len(whole) - 1)
        assert [bad.number for bad in after.bad_lines] == ([len(before.records) + 1] if lost else [])


def test_nonsense_in_the_middle_is_reported_by_line_and_does_not_hide_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(encode_line(record(1)) + b"\0\0\0\n" + b'{"other":1}\n' + encode_line(record(2)))
    found = read_decisions(path)
    assert [one["decision_id"] for one in found.records] == ["d1", "d2"]
    assert [(bad.number, bad.reason.split(":")[0]) for bad in found.bad_lines] == [
        (2, "no JSON"),
        (3, "no decision record"),
    ]


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / file_name(AT_MS)).symlink_to(full)
    with pytest.raises(DecisionLogError, match=r"agent_decisions_20251231.*make room"):
        DecisionLog(tmp_path).write(record())
    with pytest.raises(DecisionLogError, match="absent"):
        read_decisions(tmp_path / "absent.jsonl")
