"""A chain with known truth, written in every variant, is imported to the truth; what can't be told is refused."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from adapters.tapes.importers.truth import AT, INDEX, chain, eastern, opened, refusal, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st

from optionwriter.adapters.tapes.importers.problem import ImportOptions

NUMBERS = ("strike", "forward", "mark_price", "bid_price", "ask_price", "mark_iv", "open_interest")


def write(frame: pl.DataFrame, path: Path) -> Path:
    frame.write_csv(path)
    return path


def same(
    found: pl.DataFrame, truth: pl.DataFrame, names: tuple[str, ...] = NUMBERS, rel: float = 1e-6
) -> None:
    both = truth.join(found, on="instrument_name", suffix="_found", maintain_order="left")
    assert both.height == truth.height == found.height
    assert found["timestamp"].unique().to_list() == truth["timestamp"].unique().to_list()
    assert both["expiry"].to_list() == both["expiry_found"].to_list()
    for name in names:
        mine, theirs = both[f"{name}_found"].fill_null(-1.0).to_list(), both[name].fill_null(-1.0).to_list()
        assert mine == pytest.approx(theirs, rel=rel, abs=1e-7), name


@pytest.fixture
def truth() -> pl.DataFrame:
    return chain()


def test_percent_and_fraction_are_told_apart(truth: pl.DataFrame, tmp_path: Path) -> None:
    same(rows_of(write(truth, tmp_path / "a.csv")), truth)
    percent = truth.with_columns(pl.col("mark_iv") * 100)
    path = write(percent, tmp_path / "b.csv")
    same(rows_of(path), truth)
    file, _ = opened(path)
    assert any(one.startswith("mark_iv is in percent: 100% of") for one in file.facts)
    assert "contradicts its rows, which are in percent" in refusal(path, ImportOptions(iv="decimal"))


def test_a_file_that_mixes_units_is_refused(truth: pl.DataFrame, tmp_path: Path) -> None:
    fifth = pl.int_range(pl.len()) % 5
    mixed = truth.with_columns(mark_iv=pl.when(fifth < 1).then(pl.col("mark_iv") * 100).otherwise("mark_iv"))
    assert "don't tell whether mark_iv is in percent or a fraction" in refusal(
        write(mixed, tmp_path / "a.csv")
    )
    prices = truth.with_columns(
        mark_price=pl.when(fifth < 1).then(pl.col("mark_price") * INDEX).otherwise("mark_price")
    )
    assert "don't tell whether prices are in coin or USD" in refusal(write(prices, tmp_path / "b.csv"))


def test_usd_prices_are_brought_to_coin_by_the_index(truth: pl.DataFrame, tmp_path: Path) -> None:
    usd = truth.with_columns(pl.col("mark_price", "bid_price", "ask_price") * INDEX)
    path = write(usd, tmp_path / "a.csv")
    same(rows_of(path), truth)
    assert any("USD (coin times the index)" in one for one in opened(path)[0].facts)
    by_forward = truth.with_columns(pl.col("mark_price", "bid_price", "ask_price") * pl.col("forward"))
    same(rows_of(write(by_forward.drop("index_price"), tmp_path / "b.csv")), truth)


def test_forwards_come_from_parity_where_only_the_index_is_given(truth: pl.DataFrame, tmp_path: Path) -> None:
    same(rows_of(write(truth.drop("forward"), tmp_path / "a.csv")), truth)
    index = truth.with_columns(forward=pl.col("index_price"))
    path = write(index, tmp_path / "b.csv")
    same(rows_of(path), truth)
    assert any("so it is the index" in one for one in opened(path)[0].facts)


def test_no_quote_is_null_whether_it_was_zero_or_missing(truth: pl.DataFrame, tmp_path: Path) -> None:
    zero = truth.with_columns(pl.col("bid_price").fill_null(0.0), bid_size=pl.lit(0.0), bid_iv=pl.lit(0.0))
    found = rows_of(write(zero, tmp_path / "a.csv"))
    same(found, truth)
    assert found["bid_price"].null_count() == truth["bid_price"].null_count() > 5
    assert found.select("bid_size", "bid_iv").null_count().row(0) == (found.height, found.height)


def test_eastern_time_is_told_by_the_marks(truth: pl.DataFrame, tmp_path: Path) -> None:
    local = truth.with_columns(timestamp=pl.lit(eastern(AT)))
    path = write(local, tmp_path / "a.csv")
    same(rows_of(path), truth)
    assert any(one.startswith("times are America/New_York") for one in opened(path)[0].facts)
    utc = write(truth.with_columns(timestamp=pl.lit(f"{AT:%Y-%m-%d %H:%M:%S}")), tmp_path / "b.csv")
    same(rows_of(utc), truth)
    both = pl.concat(
        [chain(at).with_columns(timestamp=pl.lit(eastern(at))) for at in (AT, AT - timedelta(hours=1))]
    )
    coarse = both.filter(pl.col("instrument_name").str.contains("27MAR26")).with_columns(
        pl.col("mark_price").round(3)
    )
    assert "say --timezone UTC or" in refusal(write(coarse, tmp_path / "c.csv"))
    same(rows_of(path, ImportOptions(timezone="America/New_York")), truth)
    assert "no zone" in refusal(path, ImportOptions(timezone="Mars/Olympus"))


def test_volatility_is_computed_where_none_is_given(truth: pl.DataFrame, tmp_path: Path) -> None:
    path = write(truth.drop("mark_iv", "forward"), tmp_path / "a.csv")
    same(rows_of(path), truth, rel=1e-5)
    usd = truth.drop("mark_iv", "forward").with_columns(
        pl.col("mark_price", "bid_price", "ask_price") * INDEX
    )
    same(rows_of(write(usd, tmp_path / "b.csv")), truth, rel=1e-5)
    assert "contradicts" in refusal(path, ImportOptions(price="usd"))
    quoted = truth.drop("mark_iv").with_columns(bid_iv=pl.lit(44.0), ask_iv=pl.lit(55.0))
    path = write(quoted, tmp_path / "c.csv")
    assert rows_of(path)["bid_iv"].null_count() == truth.height
    assert any("bid_iv and ask_iv are left out" in one for one in opened(path)[0].facts)
    assert rows_of(path, ImportOptions(iv="percent"))["ask_iv"].unique().to_list() == [0.55]


def test_a_linear_product_with_decimal_strikes(tmp_path: Path) -> None:
    truth = chain(code="XRP_USDC", scale=2e-5)
    assert any("1d36" in name for name in truth["instrument_name"])
    same(rows_of(write(truth.drop("strike", "option_type", "expiry"), tmp_path / "a.csv")), truth)
    same(rows_of(write(truth.drop("forward"), tmp_path / "b.csv")), truth)


def test_linear_marks_may_be_black_76_times_index_over_forward(tmp_path: Path) -> None:
    years = (pl.col("expiry") - pl.col("timestamp")).dt.total_seconds() / (365 * 86_400)
    marks = chain(code="BTC_USDC").with_columns(mark_price=pl.col("mark_price") * (-0.24 * years).exp())
    marks = marks.drop("index_price")
    marks.write_csv(tmp_path / "linear.csv")
    file, batches = opened(tmp_path / "linear.csv")
    assert any("mark_iv is a fraction: 100% of" in one for one in file.facts), file.facts
    assert file.facts[-1].endswith(
        "times index / forward, as call less put tells: 0.9847 to 0.9991"
    )  # of 23.4 and 1.4 days
    kept = pl.concat([one.rows for one in batches])
    assert sorted(kept["mark_price"]) == pytest.approx(sorted(marks["mark_price"]))
    # without volatilities they are implied from the marks beside the same ratio
    same(rows_of(write(marks.drop("mark_iv"), tmp_path / "bare.csv")), marks, rel=1e-6)


def test_parts_instead_of_names_and_a_file_that_names_the_coin(truth: pl.DataFrame, tmp_path: Path) -> None:
    bare = truth.drop("instrument_name").with_columns(
        option_type=pl.when(pl.col("option_type") == "C").then(pl.lit("call")).otherwise(pl.lit("put"))
    )
    same(rows_of(write(bare, tmp_path / "chain_btc_2026.csv")), truth)
    other = write(bare, tmp_path / "chain.csv")
    assert "say --underlying" in refusal(other)
    same(rows_of(other, ImportOptions(underlying="BTC")), truth)


def test_a_file_without_times_tells_the_instant_that_its_marks_fit(
    truth: pl.DataFrame, tmp_path: Path
) -> None:
    path = write(truth.drop("timestamp"), tmp_path / "a.csv")
    assert "say --at 2026-03-03T21:30Z" in refusal(path)
    at_ms = int(AT.timestamp() * 1000)
    same(rows_of(path, ImportOptions(at_ms=at_ms)), truth)
    far = refusal(path, ImportOptions(at_ms=at_ms - 20 * 86_400_000))
    assert "no reading of its units gives the marks back" in far
    left = truth.drop("timestamp").with_columns(
        T_years=((pl.col("expiry") - AT).dt.total_seconds() / 31_536_000).round(7)
    )
    same(rows_of(write(left, tmp_path / "b.csv")), truth)
    assert "have times of their own" in refusal(write(truth, tmp_path / "c.csv"), ImportOptions(at_ms=at_ms))


def test_rows_that_are_no_options_or_over_are_counted_with_the_first(
    truth: pl.DataFrame, tmp_path: Path
) -> None:
    late = truth.head(1).with_columns(instrument_name=pl.lit("BTC-1MAR26-70000-C"))
    perpetual = truth.head(2).with_columns(instrument_name=pl.lit("BTC-PERPETUAL"))
    blind = truth.head(1).with_columns(mark_price=None, instrument_name=pl.lit("BTC-5MAR26-71000-C"))
    _, batches = opened(
        write(pl.concat([truth, late, perpetual, blind], how="vertical_relaxed"), tmp_path / "a.csv")
    )
    dropped = {each.reason: (each.count, each.example) for one in batches for each in one.dropped}
    assert dropped == {
        "no name of an option": (2, "BTC-PERPETUAL"),
        "its expiry is over at its time": (1, "BTC-1MAR26-70000-C"),
        "no mark price": (1, "BTC-5MAR26-71000-C"),
    }


def test_too_few_rows_are_refused_until_options_settle_them(truth: pl.DataFrame, tmp_path: Path) -> None:
    path = write(truth.head(4), tmp_path / "a.csv")
    told = refusal(path)
    assert "--iv percent or --iv decimal" in told and "--price coin or --price usd" in told
    same(rows_of(path, ImportOptions(iv="decimal", price="coin")), truth.head(4))


def test_rows_read_one_after_the_other_share_the_last_ones_instant(
    truth: pl.DataFrame, tmp_path: Path
) -> None:
    spread = [truth, truth.with_columns(timestamp=pl.col("timestamp") + timedelta(minutes=2))]
    spread = [
        one.with_row_index("row")
        .with_columns(timestamp=pl.col("timestamp") + pl.duration(seconds="row"))
        .drop("row")
        for one in spread
    ]
    found = rows_of(write(pl.concat(spread), tmp_path / "a.csv"))
    last = timedelta(seconds=truth.height - 1)
    assert found["timestamp"].unique().sort().to_list() == [AT + last, AT + timedelta(minutes=2) + last]
    assert found.group_by("timestamp").len()["len"].to_list() == [truth.height] * 2


@pytest.mark.parametrize("step_s", [10, 300])
def test_pieces_of_a_table_give_what_the_whole_does_and_hold_one_reading(
    step_s: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = [AT - timedelta(seconds=step_s * step) for step in range(12)][::-1]
    path = write(pl.concat([chain(at) for at in moments]).sort("timestamp", "strike"), tmp_path / "a.csv")
    whole = rows_of(path)
    assert sorted(whole["timestamp"].unique().to_list()) == moments
    monkeypatch.setattr("optionwriter.adapters.tapes.importers.files.BLOCK_BYTES", 9_000)
    _, batches = opened(path)
    assert len(batches) > 6 and max(one.rows.height for one in batches) < 5 * 36
    key = ["timestamp", "instrument_name"]
    assert pl.concat([one.rows for one in batches]).sort(key).equals(whole.sort(key))


def tardis(truth: pl.DataFrame) -> pl.DataFrame:
    return truth.select(
        exchange=pl.lit("deribit"), symbol="instrument_name", timestamp=pl.col("timestamp").dt.epoch("us"),
        local_timestamp=pl.col("timestamp").dt.epoch("us") + 5_000, type=pl.lit("call"), strike_price="strike",
        expiration=pl.col("expiry").dt.epoch("us"), open_interest="open_interest", bid_price="bid_price",
        ask_price="ask_price", mark_price="mark_price", mark_iv=pl.col("mark_iv") * 100, underlying_price="forward",
        underlying_index=pl.lit("SYN.BTC"),
    )  # fmt: skip


def test_tardis_changes_are_thinned_to_a_grid_in_bounded_pieces(
    truth: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each option changes every seven minutes; at each hour its last change before stands, whatever the pieces."""
    moments = [AT + timedelta(minutes=7 * step) for step in range(20)]
    path = tmp_path / "deribit_options_chain_2026-03-03_OPTIONS.csv.gz"
    changes = pl.concat([chain(at) for at in moments])
    with gzip.open(path, "wb") as file:
        tardis(changes).write_csv(file)
    whole = rows_of(path)
    monkeypatch.setattr("optionwriter.adapters.tapes.importers.files.BLOCK_BYTES", 7_000)
    _, batches = opened(path)
    assert len(batches) > 10 and max(one.rows.height for one in batches) < 3 * truth.height
    key = ["timestamp", "instrument_name"]
    assert pl.concat([one.rows for one in batches]).sort(key).equals(whole.sort(key))
    for hour in whole["timestamp"].unique():
        last = max(at for at in moments if at <= hour)
        expected = chain(last).with_columns(timestamp=pl.lit(hour))
        same(whole.filter(pl.col("timestamp") == hour), expected.filter(pl.col("expiry") > hour))
    half = rows_of(path, ImportOptions(every_minutes=30))
    assert half["timestamp"].n_unique() == 6 > whole["timestamp"].n_unique() == 3


@settings(max_examples=15)
@given(
    percent=st.booleans(), usd=st.booleans(), parity=st.booleans(), local=st.booleans(),
    hours=st.integers(0, 30), rounding=st.sampled_from([4, 8]),
)  # fmt: skip
def test_any_mixture_of_variants_gives_the_truth(
    tmp_path_factory: pytest.TempPathFactory,
    percent: bool, usd: bool, parity: bool, local: bool, hours: int, rounding: int,
) -> None:  # fmt: skip
    at = AT - timedelta(hours=hours)
    truth = chain(at).with_columns(pl.col("mark_price").round(rounding))
    written = truth
    if percent:
        written = written.with_columns(pl.col("mark_iv") * 100)
    if usd:
        written = written.with_columns(pl.col("mark_price", "bid_price", "ask_price") * INDEX)
    if parity:
        written = written.drop("forward")
    if local:
        written = written.with_columns(timestamp=pl.lit(eastern(at)))
    found = rows_of(write(written, tmp_path_factory.mktemp("v") / "a.csv"))
    assert isinstance(found["timestamp"][0], datetime)
    names = tuple(one for one in NUMBERS if one != "forward" or not parity)
    same(found, truth, names, rel=1e-3 if rounding == 4 else 1e-6)
    assert found["forward"].to_list() == pytest.approx(truth["forward"].to_list(), rel=1e-3)
