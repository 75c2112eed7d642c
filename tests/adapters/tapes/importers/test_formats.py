"""Each format's own ways: the page's export, the API's documents, candles, and files that are broken."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from adapters.tapes.importers.truth import AT, chain, opened, refusal, rows_of

from optionwriter.adapters.tapes.importers.problem import ImportOptions, ImportRefusedError
from optionwriter.adapters.tapes.importers.tardis_download import download, name_of_day

AT_MS = int(AT.timestamp() * 1000)
HEADER = "Instrument,Volume,Open,ExtValue,Rho,Theta,Vega,Gamma,NDelta,Δ|Delta,Last,Size,IV Bid,Bid,Mark,Ask,IV Ask,Size"


def page(folder: Path, rows: pl.DataFrame, name: str = "BTC-27MAR26-export.csv") -> Path:
    lines = [HEADER]
    for one in rows.iter_rows(named=True):
        bid = "-" if one["bid_price"] is None else f"{one['bid_price']:.6f}"
        lines.append(
            f"{one['instrument_name']},-,{one['open_interest']},,1,-2,{one['vega']:.5f},-,,{one['delta']:.5f},-,"
            f"7,44.5,{bid},{one['mark_price']:.8f},{one['ask_price']:.6f},55.5,9"
        )
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def month() -> pl.DataFrame:
    return chain().filter(pl.col("instrument_name").str.contains("27MAR26"))


def test_the_pages_export_has_two_sizes_dashes_and_a_greek_delta(tmp_path: Path) -> None:
    truth, path = month(), page(tmp_path, month())
    found = rows_of(path, ImportOptions(at_ms=AT_MS))
    assert found["instrument_name"].to_list() == truth["instrument_name"].to_list()
    assert found["mark_iv"].to_list() == pytest.approx(truth["mark_iv"].to_list(), rel=1e-4)
    assert found["forward"].to_list() == pytest.approx([70_400.0] * truth.height, rel=1e-5)
    assert found["delta"].to_list() == pytest.approx(truth["delta"].to_list(), abs=1e-5)
    assert (found["bid_size"].unique().to_list(), found["ask_size"].unique().to_list()) == ([7.0], [9.0])
    assert (found["bid_iv"].unique().to_list(), found["ask_iv"].unique().to_list()) == ([0.445], [0.555])
    assert found["bid_price"].is_null().to_list() == truth["bid_price"].is_null().to_list()
    assert found["volume"].null_count() == found.height


def test_the_pages_export_tells_its_instant_by_its_greeks(tmp_path: Path) -> None:
    assert "say --at 2026-03-03T21:3" in refusal(page(tmp_path, month()))
    wrong = page(tmp_path, month(), "BTC-25DEC26-export.csv")
    assert "named after BTC-25DEC26 and holds BTC-27MAR26" in refusal(wrong, ImportOptions(at_ms=AT_MS))


def summaries() -> list[dict[str, Any]]:
    return [
        {
            "instrument_name": one["instrument_name"], "creation_timestamp": AT_MS, "mark_price": one["mark_price"],
            "bid_price": one["bid_price"], "ask_price": one["ask_price"], "mark_iv": one["mark_iv"] * 100,
            "underlying_price": one["forward"], "underlying_index": "SYN.BTC", "open_interest": one["open_interest"],
            "estimated_delivery_price": one["index_price"], "volume": 0,
        }
        for one in chain().iter_rows(named=True)
    ]  # fmt: skip


def test_summaries_and_tickers_of_options_are_chains(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"jsonrpc": "2.0", "result": summaries(), "testnet": False}))
    found, truth = rows_of(path), chain()
    assert found["timestamp"].unique().to_list() == [AT]
    for name in ("mark_price", "mark_iv", "forward", "index_price"):
        assert found[name].to_list() == pytest.approx(truth[name].to_list(), rel=1e-7), name
    with gzip.open(packed := tmp_path / "b.json.gz", "wt") as file:
        file.write(path.read_text())
    assert rows_of(packed).drop("source").equals(found.drop("source"))
    summary = summaries()[0]
    del summary["volume"]
    ticker = {
        **summary,
        "timestamp": AT_MS,
        "best_bid_price": 0.0,
        "best_bid_amount": 0.0,
        "best_ask_price": 0.2,
        "best_ask_amount": 3,
        "greeks": {"delta": 0.8},
        "stats": {"volume": 2},
        "bid_iv": 0.0,
        "ask_iv": 61.5,
    }
    path.write_text(json.dumps({"method": "subscription", "params": {"channel": "ticker", "data": ticker}}))
    (row,) = rows_of(path).to_dicts()
    assert (row["delta"], row["volume"], row["ask_size"], row["ask_iv"]) == (0.8, 2.0, 3.0, 0.615)
    assert row["bid_price"] is None is row["bid_size"] is row["bid_iv"]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"result": {"trades": [], "has_more": False}}, "trades"),
        ({"result": [{"instrument_name": "BTC-PERPETUAL", "mark_price": 1.0, "last": 2}]}, "futures"),
        ({"error": {"code": 10028, "message": "too_many_requests"}}, "too_many_requests"),
        ({"result": {"equity": 1, "margin_balance": 1}}, "account"),
        ([1, 2, 3], "no answer of Deribit"),
    ],
)
def test_other_documents_are_refused_by_name(tmp_path: Path, document: Any, reason: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert reason in refusal(tmp_path / "a.json")


def test_the_volatility_index_delivery_prices_and_charts(tmp_path: Path) -> None:
    path, first = tmp_path / "a.json", 1_600_000_000_000 // 3_600_000 * 3_600_000
    data = [[first + 3_600_000 * row, 50 + row, 53 + row, 49 + row, 51 + row] for row in range(4)]
    path.write_text(json.dumps({"result": {"data": data, "continuation": None}}))
    assert "say --underlying" in refusal(path)
    (batch,) = opened(path, ImportOptions(underlying="ETH"))[1]
    assert batch.rows["close"].to_list() == [51.0, 52.0, 53.0, 54.0] and batch.rows["name"][0] == "ETH"
    assert batch.rows["close_time"][0] == datetime.fromtimestamp(first / 1000, UTC) + timedelta(hours=1)
    path.write_text(
        json.dumps({"result": {"data": [{"date": "2026-01-02", "delivery_price": 7.5}], "records_total": 1}})
    )
    (batch,) = opened(path, ImportOptions(underlying="BTC"))[1]
    row = batch.rows.row(0, named=True)
    assert (row["name"], row["delivery_price"]) == ("btc_usd", 7.5)
    assert row["delivery_time"] == datetime(2026, 1, 2, 8, tzinfo=UTC)
    minute = 60_000
    chart = {"ticks": [first + 5 * minute * row for row in range(15)], "status": "ok", "volume": [1.0] * 15,
             **{one: [100.0 + row for row in range(15)] for one in ("open", "high", "low", "close")}}  # fmt: skip
    path.write_text(json.dumps({"result": chart}))
    (batch,) = opened(path, ImportOptions(underlying="BTC"))[1]
    hour = batch.rows.row(0, named=True)
    assert (batch.kept, hour["open"], hour["high"], hour["close"], hour["volume"]) == (
        1,
        100.0,
        111.0,
        111.0,
        12.0,
    )
    assert {one.reason.split()[0]: one.count for one in batch.dropped} == {"its": 3, "put": 11}


def candles(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_cryptodatadownload_in_both_layouts_and_binance_with_and_without_header(tmp_path: Path) -> None:
    new = candles(
        tmp_path, "Bitstamp_BTCUSD_1h.csv",
        "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,Volume USD\n"
        "1641427200,2022-01-06 00:00:00,BTC/USD,4,5,3,4.5,51.9,22\n"
        "1641423600,2022-01-05 23:00:00,BTC/USD,3,4,2,4,17,9\n",
    )  # fmt: skip
    old = candles(
        tmp_path, "Binance_BTCUSDT_1h.csv",
        "Date,Open,High,Low,Close\n2022-01-06 12-AM,4,5,3,4.5\n2022-01-05 11-PM,3,4,2,4\n",
    )  # fmt: skip
    kline = "1641423600000,3,4,2,4,17,1641427199999,9,1,1,1{0}\n"
    kline += "1641427200000,4,5,3,4.5,51.9,1641430799999,22,1,1,1{0}\n"
    names = (
        "open_time,open,high,low,close,volume,close_time,quote_volume,trades,taker_buy_base,taker_buy_quote"
    )
    headed = candles(tmp_path, "BTCUSDT-1h.csv", names + "\n" + kline.format(""))
    bare = candles(tmp_path, "BTCUSDT-1h-2022-01.csv", kline.format(",0"))
    formats = []
    for path in (new, old, headed, bare):
        file, (batch,) = opened(path)
        formats.append(file.format)
        assert batch.rows["open_time"].to_list() == [
            datetime(2022, 1, 5, 23, tzinfo=UTC), datetime(2022, 1, 6, tzinfo=UTC),
        ]  # fmt: skip
        assert batch.rows["close"].to_list() == [4.0, 4.5] and batch.rows["name"].unique().to_list() == [
            "BTC"
        ]
        assert batch.rows["volume"].to_list() == ([None, None] if path == old else [17.0, 51.9])
    assert formats == ["cryptodatadownload", "cryptodatadownload", "binance_klines", "binance_klines"]


def test_candles_that_are_wrong_or_daily(tmp_path: Path) -> None:
    head = "timestamp,open,high,low,close,volume\n"
    wrong = candles(
        tmp_path, "BTC-USD.csv",
        head + "2026-01-01T00:00Z,1,2,1,2,1\n2026-01-01T01:00Z,0,2,1,2,1\n2026-01-01T02:00Z,1,1,1,2,1\n"
        "2026-01-01T03:00Z,1,2,1,2,1\n2026-01-01T04:00Z,1,2,1,2,1\n",
    )  # fmt: skip
    (batch,) = opened(wrong)[1]
    assert (batch.kept, [one.count for one in batch.dropped]) == (3, [1, 1])
    daily = candles(tmp_path, "ETH-USD.csv", head + "2026-01-01,1,2,1,2,1\n2026-01-02,1,2,1,2,1\n")
    assert "hour by hour" in refusal(daily)
    (batch,) = opened(candles(tmp_path, "eth_dvol.csv", daily.read_text()))[1]
    assert batch.rows["close_time"].to_list()[0] == datetime(
        2026, 1, 2, tzinfo=UTC
    )  # known when its day is over


def test_broken_files_are_one_error_each(tmp_path: Path) -> None:
    whole = chain().write_csv().encode()
    packed = gzip.compress(whole * 40, compresslevel=1)
    for name, data, told in (
        ("cut.csv.gz", packed[: len(packed) // 2], "cut off or damaged"),
        ("flipped.csv.gz", packed[:200] + b"\x00\xff\x13" + packed[203:], "cut off or damaged"),
        ("binary.csv", bytes(range(256)) * 20, "binary file"),
        ("latin.csv", "instrument_name,Größe\n".encode("latin-1") * 30, "no text in UTF-8"),
        ("empty.csv", b"", "empty"),
        ("torn.parquet", b"PAR1" + bytes(200), "can't be read"),
        ("torn.json", b'{"result": [', "no whole JSON"),
        ("other.csv", b"a,b\n1,2\n", "no known format (a, b)"),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        assert told in refusal(path), name
    path.write_bytes(whole)
    assert "it is no tardis" in refusal(path, name="tardis")


def test_trades_and_volatilities_without_prices_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    chain().select("instrument_name", "mark_iv", "delta").write_csv(path)
    assert "neither prices nor an underlying" in refusal(path)
    chain().select("instrument_name", direction=pl.lit("buy"), trade_id=pl.lit(1)).write_csv(path)
    assert refusal(path).startswith("trades")


def test_tardis_is_asked_for_days_with_a_key_that_is_never_shown(tmp_path: Path) -> None:
    asked: dict[str, Any] = {}

    def client(**given: Any) -> None:
        asked.update(given)
        for day in (date(2024, 3, 1), date(2024, 3, 2)):
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
            name = given["get_filename"]("deribit", "options_chain", moment, "OPTIONS", "csv")
            (Path(given["download_dir"]) / name).write_bytes(b"x")

    found = download(tmp_path / "tardis", date(2024, 3, 1), date(2024, 3, 3), "s3cret", client=client)
    assert [one.name for one in found] == [name_of_day(date(2024, 3, 1)), name_of_day(date(2024, 3, 2))]
    assert (asked["exchange"], asked["data_types"], asked["symbols"]) == (
        "deribit",
        ["options_chain"],
        ["OPTIONS"],
    )
    assert (asked["from_date"], asked["to_date"], asked["api_key"]) == ("2024-03-01", "2024-03-03", "s3cret")

    def refused(**_given: Any) -> None:
        raise RuntimeError("401 for Bearer s3cret")

    with pytest.raises(ImportRefusedError, match="TARDIS_API_KEY") as told:
        download(tmp_path, date(2024, 3, 1), date(2024, 3, 2), "s3cret", client=refused)
    assert "s3cret" not in str(told.value) and told.value.__cause__ is None
    with pytest.raises(ImportRefusedError, match="2024-04-01"):
        download(tmp_path, date(2024, 4, 1), date(2024, 4, 2), "", client=lambda **_given: None)


def test_without_the_extra_one_sentence_names_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tardis_dev", None)
    with pytest.raises(ImportRefusedError, match=r"pip install 'optionwriter\[tardis\]'"):
        download(tmp_path, date(2024, 3, 1), date(2024, 3, 2), "")
