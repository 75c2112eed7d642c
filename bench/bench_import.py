"""Speed and size of imports, in CPU time: Parquet, CSV and Tardis's packed CSV.

    python bench/bench_import.py [CHAINS]

CHAINS is a month of six-hourly recordings in Parquet; by default beside the checkout. The CSV is the same month as
text; the Tardis file is made of its rows, each option changing every two minutes. Bytes are those of the stored days.
"""

from __future__ import annotations

import gzip
import resource
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import polars as pl

from optionwriter.adapters.tapes.importers.problem import ImportOptions
from optionwriter.bootstrap.importing import import_files

DEFAULT = (
    Path(__file__).resolve().parents[2] / "shared/data/chains_deribit_6h_btc_eth/BTC/BTC_2026-02.parquet"
)


def tardis(rows: pl.DataFrame, path: Path, repeats: int) -> int:
    """Writes changes two minutes apart; their count."""
    one = rows.select(
        exchange=pl.lit("deribit"), symbol="instrument_name", timestamp=pl.col("timestamp").dt.epoch("us"),
        local_timestamp=pl.col("timestamp").dt.epoch("us"), type="option_type", strike_price="strike",
        expiration=pl.col("expiry_datetime").dt.epoch("us"), open_interest="open_interest", last_price="mark_price",
        bid_price="bid_price", bid_amount=pl.lit(1.0), bid_iv=pl.lit(50.0), ask_price="ask_price",
        ask_amount=pl.lit(1.0), ask_iv=pl.lit(60.0), mark_price="mark_price", mark_iv=pl.col("mark_iv_decimal") * 100,
        underlying_index=pl.col("underlying_index").cast(pl.String), underlying_price="underlying_price", delta="delta",
        gamma=pl.lit(0.00001), vega="vega", theta=pl.lit(-10.0), rho=pl.lit(1.0),
    )  # fmt: skip
    count = 0
    with gzip.open(path, "wb", compresslevel=1) as file:
        for step in range(repeats):
            later = pl.col("timestamp", "local_timestamp") + step * timedelta(minutes=2) // timedelta(
                microseconds=1
            )
            text = one.with_columns(later).write_csv(include_header=step == 0)
            file.write(text.encode())
            count += one.height
    return count


def measure(name: str, path: Path, rows: int, folder: Path) -> None:
    """Imports one file and prints rows a second of CPU, and bytes a row."""
    out = folder / name
    start = time.process_time()
    report = import_files([path], "auto", ImportOptions(), out, lambda _share, _text: None)
    spent = time.process_time() - start
    (file,) = report.files
    assert not file.refused and file.read == rows, file
    stored = sum(one.rows for one in report.days)
    size = sum(one.bytes for one in report.days)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:12} {rows:>9,} rows, {path.stat().st_size / 1e6:7.1f} MB: {rows / spent:>9,.0f} rows/s of CPU, "
        f"{stored:,} stored at {size / stored:.1f} bytes; peak memory {peak:,.0f} MB"
    )


def main() -> None:
    """Measures the three."""
    chains = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    frame = pl.read_parquet(chains)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        import_files([chains], "auto", ImportOptions(), folder / "warm", lambda _share, _text: None)
        measure("parquet", chains, frame.height, folder)
        csv = folder / "chains.csv"
        frame.write_csv(csv)
        measure("csv", csv, frame.height, folder)
        packed = folder / "deribit_options_chain_2026-02-01_OPTIONS.csv.gz"
        first = frame.filter(pl.col("timestamp") == pl.col("timestamp").min())
        del frame
        measure("tardis", packed, tardis(first, packed, 1_200), folder)


if __name__ == "__main__":
    main()
