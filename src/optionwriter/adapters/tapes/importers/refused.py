"""Files that are known and hold nothing that can be imported: each with its reason.

A backtest needs quotes of options with prices; a history needs candles. What is neither is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from optionwriter.adapters.tapes.importers.files import Source
from optionwriter.adapters.tapes.importers.problem import ImportOptions, ImportRefusedError


def has_columns(*names: str) -> Callable[[Source], bool]:
    """Whether a table has all of these columns."""

    def recognises(source: Source) -> bool:
        return source.kind != "json" and set(names) <= set(source.columns)

    return recognises


def refuse(reason: str) -> Callable[[Source, ImportOptions], NoReturn]:
    """Refuses a file that is recognised."""

    def opened(_source: Source, _options: ImportOptions) -> NoReturn:
        raise ImportRefusedError(reason)

    return opened
