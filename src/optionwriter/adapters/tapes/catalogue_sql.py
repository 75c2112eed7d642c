"""Catalogue SQL: one question at a time about the recorded data, answered by DuckDB.

Owns the views (chains_<source>, prices, volatility_index, delivery_prices) and what may be asked: one SELECT. Keeps:
nothing is written, no file outside the data is read, no extension is fetched, no setting is changed; rows beyond the
limit are cut, and the answer says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from optionwriter.adapters.tapes.catalogue import Recording
from optionwriter.adapters.tapes.layouts import HISTORY_COLUMNS, HISTORY_FOLDER
from optionwriter.adapters.tapes.sample_files import SampleData, load_sample

_MEMORY = "1GB"
_LOCKED = (
    "SET TimeZone='UTC'",
    "SET autoinstall_known_extensions=false",
    "SET autoload_known_extensions=false",
    "SET allow_community_extensions=false",
    "SET python_enable_replacements=false",
    "SET enable_external_access=false",
    "SET lock_configuration=true",
)


class SqlError(Exception):
    """A question that can't be answered; the message says why, in one line, and what there is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Columns and rows; `cut`: there were more rows than the limit."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    cut: bool


class CatalogueSql:
    """Views over one folder's recordings and the histories beside them, the bundled ones where there are none."""

    def __init__(self, where: Path, recorded: Iterable[Recording]) -> None:
        """Errors: SqlError when the files make no view."""
        self._link = duckdb.connect(":memory:", config={"temp_directory": "", "memory_limit": _MEMORY})
        root = where if where.is_dir() else where.parent
        chains = _chains(recorded)
        own = _histories(root)
        for kind, columns in ({} if own else _bundled(load_sample())).items():
            self._link.register(f"_{kind}", columns)
            self._link.execute(f'CREATE TABLE "{kind}" AS SELECT * FROM "_{kind}"')
            self._link.unregister(f"_{kind}")
            own[kind] = ""
        self._link.execute(f"SET allowed_directories=[{_quoted(str(root.resolve()) + '/')}]")
        for setting in _LOCKED:
            self._link.execute(setting)
        try:
            for name, files in chains.items():
                self._view(name, "[" + ", ".join(_quoted(str(path.resolve())) for path in files) + "]")
            for name, pattern in own.items():
                if pattern:
                    self._view(name, _quoted(pattern))
        except duckdb.Error as error:
            raise SqlError(f"{_line(error)}: mend that file, or move it away") from None
        self.views = tuple(sorted({*chains, *own}))

    def ask(self, sql: str, limit: int) -> Answer:
        """The answer's first `limit` rows. Errors: SqlError."""
        try:
            statements = self._link.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise SqlError("ask one question at a time, a SELECT: data sql only reads")
            asked = self._link.sql(statements[0])
            if asked is None:
                raise SqlError("that is no question: data sql only reads")
            rows = asked.limit(limit + 1).fetchall()
            return Answer(tuple(asked.columns), tuple(rows[:limit]), len(rows) > limit)
        except duckdb.Error as error:
            raise SqlError(f"{_line(error)} (there are {', '.join(self.views)})") from None

    def close(self) -> None:
        """Lets go of everything."""
        self._link.close()

    def _view(self, name: str, files: str) -> None:
        kind = "read_csv" if ".csv'" in files else "read_parquet"
        self._link.execute(f'CREATE VIEW "{name}" AS SELECT * FROM {kind}({files}, union_by_name=true)')


def view_name(source: str) -> str:
    """The view of a source folder's chains: chains_live_deribit."""
    clean = re.sub(r"\W+", "_", source.lower()).strip("_")
    return clean if clean.startswith("chains_") else f"chains_{clean}"


def _chains(recorded: Iterable[Recording]) -> dict[str, list[Path]]:
    """Files by view; one source's files of one kind."""
    found: dict[str, dict[Path, None]] = {}
    for one in recorded:
        suffix = "" if one.single is None or one.single.suffix == ".parquet" else "_csv"
        files = found.setdefault(view_name(one.source) + suffix, {})
        files.update(dict.fromkeys(path for day in one.days() for path in one.files(day)))
    return {name: list(files) for name, files in found.items() if files}


def _histories(root: Path) -> dict[str, str]:
    """Patterns of the histories that the folder has, by kind."""
    folder = root / HISTORY_FOLDER
    return {
        kind: str((folder / kind).resolve() / "*.parquet")
        for kind in HISTORY_COLUMNS
        if any((folder / kind).glob("*.parquet"))
    }


def _bundled(sample: SampleData) -> Mapping[str, dict[str, Any]]:
    """The bundled prices and volatility index, in the histories' columns as far as they go."""
    prices: dict[str, list[Any]] = {}
    index: dict[str, list[Any]] = {}
    for coin, own in sample.recorded.items():
        for name, column in (
            ("coin", np.full(len(own.candle_ms), coin, dtype=object)),
            ("open_time", own.candle_ms.astype("datetime64[ms]")),
            ("open", own.open),
            ("high", own.high),
            ("low", own.low),
            ("close", own.close),
        ):
            prices.setdefault(name, []).append(column)
        for name, column in (
            ("coin", np.full(len(own.index_ms), coin, dtype=object)),
            ("close_time", own.index_ms.astype("datetime64[ms]")),
            ("close", own.index_value),
            ("rebuilt", own.index_rebuilt),
        ):
            index.setdefault(name, []).append(column)
    return {
        kind: {name: np.concatenate(parts) for name, parts in columns.items()}
        for kind, columns in (("prices", prices), ("volatility_index", index))
    }


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _line(error: Exception) -> str:
    """The first line of what went wrong."""
    return str(error).strip().partition("\n")[0]
