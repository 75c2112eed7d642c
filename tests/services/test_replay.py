"""The plain cycle over recorded chains: two weeks that hold a crash, twice, and what must hold in them."""

from __future__ import annotations

import importlib.util
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest
from shared_data import shared

from optionwriter.adapters.tapes.captured_folder import captured_folder
from optionwriter.bootstrap.captured import seat_captured
from optionwriter.bootstrap.parts import BootError
from optionwriter.core.books.account import Side
from optionwriter.core.books.facts import Filled, IntentPrepared, Settled
from optionwriter.core.books.ledger import replay as refold
from optionwriter.core.report.evidence import limit_records
from optionwriter.services.replay import replay
from optionwriter.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.shared, pytest.mark.slow]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("evidence_script", ROOT / "scripts" / "evidence.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_same_two_weeks_twice_are_the_same_to_the_byte(script: ModuleType, tmp_path: Path) -> None:
    start, end = script.epoch_ms("2026-01-29"), script.epoch_ms("2026-02-12")
    one, other = (script.run(shared("data"), tmp_path / name, start, end) for name in ("one", "other"))
    assert len(one.replayed.looks) > 50 and not one.replayed.failures
    assert (one.facts, one.decisions) == (other.facts, other.decisions)
    assert script.document(one) == script.document(other)
    files = {path.name: path.read_bytes() for path in (tmp_path / "one" / "logs").glob("agent_decisions_*")}
    assert files == {
        path.name: path.read_bytes() for path in (tmp_path / "other" / "logs").glob("agent_decisions_*")
    }
    assert sum(len(body.splitlines()) for body in files.values()) == len(one.replayed.rounds)
    assert all(record.passed == 0 for record in limit_records(one.replayed.looks))


def test_every_fill_was_quoted_and_every_settlement_is_the_recorded_price(tmp_path: Path) -> None:
    """Fills against the tape itself: sold at the bid, bought at the ask, at a snapshot, within its size."""
    data = shared("data")
    settings = Settings(data_dir=tmp_path, dry_run=True)
    start, end = 1_769_644_800_000, 1_770_854_400_000  # 2026-01-29 to 2026-02-12
    with seat_captured(settings, data, start, end) as seated:
        replayed = replay(seated.desk, seated.instants)
        facts = list(seated.desk.recorder.facts())
        book = seated.desk.recorder.book
    feed = captured_folder(data)
    fills = [(fact.at_ms, fact.body) for fact in facts if isinstance(fact.body, Filled)]
    prepared = {fact.body.intent.label: fact.at_ms for fact in facts if isinstance(fact.body, IntentPrepared)}
    assert sum(prepared[fill.label] == at_ms for at_ms, fill in fills) >= 8 and not replayed.failures
    for at_ms, fill in fills:
        assert at_ms in seated.instants
        chain = feed.quotes(fill.instrument.partition("-")[0], [fill.instrument], at_ms)
        sold = fill.side is Side.SELL
        price, size = (chain.bid[0], chain.bid_size[0]) if sold else (chain.ask[0], chain.ask_size[0])
        assert float(fill.amount) <= size
        if prepared[fill.label] == at_ms:
            assert float(fill.price) == price
        else:  # it had rested, and fills at its own price: never a better one than the quote
            assert float(fill.price) <= price if sold else float(fill.price) >= price
    settled = [(fact.at_ms, fact.body) for fact in facts if isinstance(fact.body, Settled)]
    for at_ms, one in settled:
        name = "eth_usd" if one.instrument.startswith("ETH") else "btc_usd"
        assert float(one.delivery_price) == feed.delivery_price(name, at_ms)
    totals: dict[str, Decimal] = {}
    for chain_ in book.chains.values():
        for flow in chain_.flows:
            totals[chain_.product] = totals.get(chain_.product, Decimal(0)) + flow.amount
    assert book.cash["BTC"] == Decimal(2) + totals.get("BTC", Decimal(0))
    assert refold(facts).cash == book.cash


def test_a_period_without_snapshots_is_refused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "run", dry_run=True)
    with pytest.raises(BootError, match="no snapshot"), seat_captured(settings, shared("data"), 0, 1):
        pass
    with pytest.raises(BootError, match="holds no"), seat_captured(settings, tmp_path, 0, 2**50):
        pass
