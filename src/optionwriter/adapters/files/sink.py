"""DecisionFiles: the decision log and the candidate store of one folder, as the one sink of the cycle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import structlog

from optionwriter.adapters.files.candidates import CandidateStore, CandidateStoreError, Column
from optionwriter.adapters.files.decision_log import DecisionLog, DecisionLogError
from optionwriter.core.report.decision import DecisionRecord

log = structlog.get_logger(__name__)


class DecisionFiles:
    """Writes both; a file that can't be written is told in the log and costs no cycle."""

    keeps = True

    def __init__(self, folder: Path, keep_days: int, decisions_per_part: int = 1) -> None:
        """`keep_days` and `decisions_per_part` are the candidate store's."""
        self._decisions = DecisionLog(folder)
        self._candidates = CandidateStore(folder, keep_days, decisions_per_part)

    def write(self, record: DecisionRecord, candidates: Mapping[str, object]) -> None:
        """Appends the record and its candidates."""
        try:
            self._decisions.write(record)
            self._candidates.append(record.decision_id, record.at_ms, cast(Mapping[str, Column], candidates))
        except (DecisionLogError, CandidateStoreError) as error:
            log.error("decision not kept", error=str(error))

    def close(self, at_ms: int) -> None:
        """Writes what is pending and closes the days that are over."""
        try:
            self._candidates.close(at_ms)
        except CandidateStoreError as error:
            log.error("candidates not kept", error=str(error))
