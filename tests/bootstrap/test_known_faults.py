"""The faults that are known of the recordings at hand are found, and their good days pass."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from scripts.quality_table import BEGIN, DOCUMENT, FIVE, KNOWN, SIX, UNSEEN, checked

from optionwriter.bootstrap.catalogue import Wanted
from optionwriter.core.market.quality import DayQuality, Verdict
from tests.shared_data import shared

pytestmark = [pytest.mark.shared, pytest.mark.slow]
SMALL = {SIX: Wanted(sources=(SIX,), last=date(2026, 2, 8)), FIVE: Wanted(sources=(FIVE,))}


@pytest.mark.parametrize("folder", dict.fromkeys(one for one, _, _ in KNOWN))
def test_every_known_fault_is_told(folder: str) -> None:
    path: Path = shared(f"data/{folder}")
    days: list[DayQuality] = checked(path, SMALL.get(folder))
    unseen = [fault for one, fault, look in KNOWN if one == folder and not look(days)]
    assert unseen == []
    if folder == SIX:
        assert len(days) == 82 and {one.verdict for one in days} == {Verdict.PASS}
        assert min(one.score for one in days) > 80


def test_the_document_holds_the_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert BEGIN in text and UNSEEN not in text
    assert all(f"| {folder} | {fault} |" in text for folder, fault, _ in KNOWN)
