"""Explaining: brings a data folder's log, candidates, ledger and delivery prices to the explanation.

Reads only, and beside a running agent. Delivery prices are those that the ledger saw and, on the local exchange, those
of the recorded market up to the last decision; what has not ended by then is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from optionwriter.adapters.files.candidates import read_candidates
from optionwriter.adapters.files.decision_log import read_decisions
from optionwriter.adapters.store.ledger import read_ledger
from optionwriter.bootstrap.parts import LEDGER_FILE, LOG_FOLDER
from optionwriter.bootstrap.recorded import sample_feed
from optionwriter.core.books.facts import Fact, Settled
from optionwriter.core.decide.crossing import exact
from optionwriter.core.market.instruments import MS_PER_DAY, InstrumentError, parse_instrument, utc_day
from optionwriter.core.report.decisions import plain
from optionwriter.core.report.explain import (
    ExplainError,
    chosen_record,
    dry_spell,
    explanation,
    filled,
)
from optionwriter.core.report.hindsight import Delivered
from optionwriter.core.report.upside import UpsideLedger
from optionwriter.settings import Settings

Record = dict[str, Any]


def explain_decision(
    settings: Settings,
    decision_id: str | None = None,
    strategy_id: str | None = None,
    instrument: str | None = None,
) -> dict[str, Any]:
    """One decision of the data folder, the latest by default, explained. Errors: ExplainError, LedgerError,
    DecisionLogError, CandidateStoreError, BootError.
    """
    folder = settings.data_dir / LOG_FOLDER
    record = _find(folder, decision_id, strategy_id)
    frame = read_candidates(folder, utc_day(record["at_ms"]))
    rows: list[Record] = []
    if frame.height:
        rows = frame.filter(frame["decision_id"] == record["decision_id"]).to_dicts()
    facts = _facts(settings)
    return explanation(
        record, rows, _delivered(settings, folder, facts), instrument, _upside(facts, record["decision_id"])
    )


def explain_dry_spell(settings: Settings, days: float, strategy_id: str | None = None) -> dict[str, Any]:
    """Why nothing was traded in the last `days` of the log. Errors: ExplainError, DecisionLogError."""
    records: list[Record] = []
    for path in _files(settings.data_dir / LOG_FOLDER):
        found = [one for one in read_decisions(path).records if strategy_id in (None, one["strategy_id"])]
        records = [*found, *records]
        if records and any(filled(one) for one in records):
            end_ms = max(one["at_ms"] for one in records)
            if records[0]["at_ms"] <= end_ms - days * MS_PER_DAY:
                break
    chosen_record(records, None, None)  # says what is missing when nothing is there
    answer = plain(dry_spell(records, days))
    assert isinstance(answer, dict)
    return answer


def _files(folder: Path) -> Iterator[Path]:
    """The decision logs, latest first."""
    yield from sorted(folder.glob("agent_decisions_*.jsonl"), reverse=True)


def _find(folder: Path, decision_id: str | None, strategy_id: str | None) -> Record:
    """The decision asked for, from the latest day that has it."""
    latest: list[Record] = []
    for path in _files(folder):
        if decision_id is not None and latest and decision_id.encode() not in path.read_bytes():
            continue
        records = list(read_decisions(path).records)
        if decision_id is not None:
            latest = latest or records
            if not any(one["decision_id"] == decision_id for one in records):
                continue
        elif strategy_id is not None and not any(one["strategy_id"] == strategy_id for one in records):
            latest = latest or records
            continue
        return dict(chosen_record(records, decision_id, strategy_id))
    return dict(chosen_record(latest, decision_id, strategy_id))  # raises, naming what there is


def _facts(settings: Settings) -> tuple[Fact, ...]:
    path = settings.data_dir / LEDGER_FILE
    return read_ledger(path) if path.exists() else ()


def _delivered(settings: Settings, folder: Path, facts: tuple[Fact, ...]) -> Delivered:
    """Delivery prices as far as they are known."""
    seen: dict[tuple[str, int], Decimal] = {}
    for fact in facts:
        if isinstance(fact.body, Settled):
            option = parse_instrument(fact.body.instrument)
            seen[(option.product.index_name, option.expiry_ms)] = fact.body.delivery_price
    now_ms = _last_ms(folder)
    feed = cache(lambda: sample_feed(settings)) if settings.deribit_env == "local" else None

    def price(index_name: str, expiry_ms: int) -> Decimal | None:
        found = seen.get((index_name, expiry_ms))
        if found is None and feed is not None and expiry_ms <= now_ms:
            try:
                found = exact(feed().delivery_price(index_name, expiry_ms))
            except (InstrumentError, ValueError):
                return None
            seen[(index_name, expiry_ms)] = found
        return found

    return price


def _last_ms(folder: Path) -> int:
    for path in _files(folder):
        records = read_decisions(path).records
        if records:
            return max(int(one["at_ms"]) for one in records)
    return 0


def _upside(facts: tuple[Fact, ...], decision_id: str) -> dict[str, Any]:
    """The upside ledger: the chains that the decision's orders belong to, and the totals of all."""
    ledger = UpsideLedger()
    ledger.add(facts)
    chains = {fact.chain_id for fact in facts if fact.chain_id and fact.decision_id == decision_id}
    return {
        "chains": [one for one in ledger.chains() if one.chain_id in chains],
        "totals": list(ledger.totals()),
    }


__all__ = ["ExplainError", "explain_decision", "explain_dry_spell"]
