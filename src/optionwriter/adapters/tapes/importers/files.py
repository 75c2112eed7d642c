"""Files as they lie on disk: told apart by content, read in bounded parts, gzip or not.

Keeps: a file that is cut off, packed wrongly or no text is one ImportRefusedError; what is read is text or Parquet,
never run. Text tables are read as text columns: what a number means is for the format to say.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import polars as pl

from optionwriter.adapters.tapes.importers.problem import ImportRefusedError

HEAD_BYTES = 4_000_000
BLOCK_BYTES = 16_000_000
PARQUET_ROWS = 250_000
LARGEST_JSON = 512_000_000
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_KLINES = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "trades", "taker_buy_base",
    "taker_buy_quote", "ignore",
)  # fmt: skip
NO_VALUE = ("", "-", "null", "None", "NaN", "nan", "NULL", "N/A")


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a table, and the share of the file that is behind them."""

    rows: pl.DataFrame
    done: float


@dataclass(frozen=True)
class Source:
    """One file: its kind, and its head (the first rows of a table, or the whole JSON document)."""

    path: Path
    kind: Literal["parquet", "csv", "json"]
    packed: bool

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.name

    @cached_property
    def banner(self) -> int:
        """Lines before the header: CryptoDataDownload puts its address there."""
        first = self._head_text.partition("\n")[0]
        return 1 if "," not in first.strip().strip(",") else 0

    @cached_property
    def _given_header(self) -> bytes:
        """The header of a file that has none: klines as Binance gives them out."""
        fields = self._head_text.partition("\n")[0].strip().split(",")
        bare = len(fields) == len(_KLINES) and all(one.replace(".", "", 1).isdigit() for one in fields)
        return ",".join(_KLINES).encode() if bare else b""

    @cached_property
    def head(self) -> pl.DataFrame:
        """The first rows. Errors: ImportRefusedError."""
        if self.kind == "parquet":
            with _Named(self.path):
                return pl.scan_parquet(self.path).head(20_000).collect()
        if self.kind == "json":
            return pl.DataFrame()
        text = self._head_text
        whole = text if text.endswith("\n") or len(text) < HEAD_BYTES else text[: text.rfind("\n") + 1]
        given = self._given_header
        return _table(self.path, given + (b"\n" if given else b"") + whole.encode(), self.banner)

    @cached_property
    def document(self) -> Any:
        """The JSON document. Errors: ImportRefusedError."""
        if self.path.stat().st_size > LARGEST_JSON:
            raise ImportRefusedError(f"a JSON document of more than {LARGEST_JSON // 10**6} MB: split it")
        with _Named(self.path):
            return json.loads(b"".join(self._blocks()))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The table's column names; a second column of a name has _duplicated_0 behind it."""
        return tuple(self.head.columns)

    def pieces(self) -> Iterator[Piece]:
        """The table in bounded parts, in the file's order. Errors: ImportRefusedError."""
        if self.kind == "parquet":
            yield from self._parquet_pieces()
            return
        size = max(self.path.stat().st_size, 1)
        with self.path.open("rb") as raw:
            header, rest = self._given_header, b""
            for block in self._blocks(raw):
                lines, _, rest = (rest + block).rpartition(b"\n")
                if not header and lines:
                    start = lines.split(b"\n", self.banner + 1)
                    header, lines = start[self.banner], start[-1] if len(start) > self.banner + 1 else b""
                if lines:
                    table = _table(self.path, header + b"\n" + lines, 0)
                    yield Piece(table, min(raw.tell() / size, 1.0))
            if rest.strip() and header:
                yield Piece(_table(self.path, header + b"\n" + rest, 0), 1.0)

    def _parquet_pieces(self) -> Iterator[Piece]:
        with _Named(self.path):
            scan = pl.scan_parquet(self.path)
            count = int(scan.select(pl.len()).collect().item())
            for start in range(0, count, PARQUET_ROWS):
                rows = scan.slice(start, PARQUET_ROWS).collect()
                yield Piece(rows, min((start + PARQUET_ROWS) / count, 1.0))

    @cached_property
    def _head_text(self) -> str:
        first = next(iter(self._blocks(size=HEAD_BYTES)), b"")
        return _text(self.path, first)

    def _blocks(self, raw: io.BufferedReader | None = None, size: int = 0) -> Iterator[bytes]:
        with _Named(self.path):
            under: Any = raw if raw is not None else self.path.open("rb")
            try:
                stream: Any = gzip.GzipFile(fileobj=under) if self.packed else under
                while block := stream.read(size or BLOCK_BYTES):
                    yield block
            finally:
                if raw is None:
                    under.close()


def open_source(path: Path) -> Source:
    """Tells what a file is. Errors: ImportRefusedError."""
    with _Named(path):
        with path.open("rb") as file:
            start = file.read(4)
        if start == _PARQUET:
            return Source(path, "parquet", packed=False)
        packed = start[:2] == _GZIP
        with gzip.open(path) if packed else path.open("rb") as stream:
            first = stream.read(4_096)
    text = _text(path, first).lstrip()
    if not text:
        raise ImportRefusedError("it is empty: fetch it again")
    return Source(path, "json" if text[0] in "{[" else "csv", packed)


class _Named:
    """Turns what goes wrong in reading a file into one ImportRefusedError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
            raise ImportRefusedError(
                f"its gzip data are cut off or damaged ({error}): fetch it again; nothing of it was taken"
            ) from error
        if isinstance(error, json.JSONDecodeError | RecursionError):
            raise ImportRefusedError(f"it is no whole JSON document ({error}): fetch it again") from error
        if isinstance(error, UnicodeDecodeError):
            raise ImportRefusedError(
                "it is no text in UTF-8: is it packed, or another kind of file?"
            ) from error
        if isinstance(error, OSError | pl.exceptions.PolarsError):
            told = str(error).partition("\n")[0]
            raise ImportRefusedError(f"it can't be read ({told}): fetch it again, or move it away") from error


def _text(path: Path, data: bytes) -> str:
    """Errors: ImportRefusedError when it is no text. A character that the block cuts is left out."""
    if b"\0" in data:
        raise ImportRefusedError(
            "it is a binary file of an unknown kind: CSV, JSON, Parquet or their .gz are read"
        )
    with _Named(path):
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            if error.start >= len(data) - 3:
                return data[: error.start].decode("utf-8-sig")
            raise
    raise AssertionError  # _Named lets nothing through


def _table(path: Path, data: bytes, banner: int) -> pl.DataFrame:
    with _Named(path):
        return pl.read_csv(
            io.BytesIO(data.removeprefix(b"\xef\xbb\xbf")),
            infer_schema=False,
            skip_lines=banner,
            null_values=list(NO_VALUE),
            truncate_ragged_lines=False,
        )
    raise AssertionError
