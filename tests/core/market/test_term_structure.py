"""Term structure and skew: on chains made from a known smile, by hand, and on the recorded chains."""

import dataclasses
import math

import numpy as np
import polars as pl
import pytest

from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.chain import InstrumentTable, OptionChain
from optionwriter.core.market.context import MarketContext
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, product
from optionwriter.core.market.term_structure import smile_at, with_chains
from tests.shared_data import shared

AT = 1_767_254_400_000  # 2026-01-01 08:00 UTC, an expiry instant


def names(code: str, expiries: list[str], strikes: range) -> tuple[str, ...]:
    return tuple(f"{code}-{day}-{strike}-{kind}" for day in expiries for strike in strikes for kind in "CP")


def chain_of(
    volatility: dict[str, tuple[float, float]],
    strikes: range = range(60_000, 140_000, 1_000),
    code: str = "BTC",
) -> OptionChain:
    """A chain whose volatility is level + slope x ln(strike / forward), by expiry; forwards rise with time."""
    table = InstrumentTable.of(product(code), names(code, list(volatility), strikes))
    days = (table.expiry_ms - AT) / MS_PER_DAY
    forward = 100_000.0 * (1.0 + days / 5_000.0)
    of = [volatility[name.split("-")[1]] for name in table.names]
    level, slope = np.array([one[0] for one in of]), np.array([one[1] for one in of])
    iv = level + slope * np.log(table.strike / forward)
    nothing = np.full(len(table), np.nan)
    return OptionChain(
        table, AT, 100_000.0, forward, nothing, iv, nothing, nothing, nothing, nothing, nothing, nothing
    )


def test_a_known_smile_is_read_back() -> None:
    """At an expiry's own tenor: the level at the forward, and volatilities at strikes whose delta is 25 %."""
    chain = chain_of({"5JAN26": (0.5, 0.0), "15JAN26": (0.45, -0.3), "24APR26": (0.5, 0.0)})
    found = smile_at(chain, 14)
    assert found.atm == pytest.approx(0.45, abs=1e-4)
    forward = 100_000.0 * (1 + 14 / 5_000)
    years = 14 / 365
    for iv, is_call in ((found.call, True), (found.put, False)):
        strike = forward * math.exp((iv - 0.45) / -0.3)
        _, delta = price_delta(forward, strike, years, iv, is_call)
        assert abs(delta[0]) == pytest.approx(0.25, abs=2e-3)
    assert found.risk_reversal == found.call - found.put < 0.0
    assert found.butterfly == (found.call + found.put) / 2 - found.atm


def test_total_variance_is_linear_between_expiries() -> None:
    chain = chain_of(
        dict.fromkeys(["5JAN26", "15JAN26"], (0.4, 0.0)) | dict.fromkeys(["27FEB26", "24APR26"], (0.6, 0.0))
    )
    week, month, quarter = (smile_at(chain, days) for days in (7, 30, 90))
    assert week.atm == pytest.approx(0.4) and quarter.atm == pytest.approx(0.6)
    mix = (30 - 14) / (57 - 14)
    assert month.atm == pytest.approx(math.sqrt(((1 - mix) * 0.16 * 14 + mix * 0.36 * 57) / 30))
    for one in (week, month, quarter):
        assert one.risk_reversal == pytest.approx(0.0) and one.butterfly == pytest.approx(0.0)


def test_nothing_is_extrapolated() -> None:
    chain = chain_of({"15JAN26": (0.4, 0.0), "27FEB26": (0.4, 0.0)})
    assert math.isnan(smile_at(chain, 7).atm) and math.isnan(smile_at(chain, 90).atm)
    assert smile_at(chain, 30).atm == pytest.approx(0.4)
    narrow = smile_at(
        chain_of({"15JAN26": (0.4, 0.0), "27FEB26": (0.4, 0.0)}, range(98_000, 104_000, 1_000)), 30
    )
    assert narrow.atm == pytest.approx(0.4) and math.isnan(narrow.call) and math.isnan(narrow.put)
    assert math.isnan(narrow.risk_reversal) and math.isnan(narrow.butterfly)


def test_rows_without_a_mark_are_left_out() -> None:
    whole = chain_of({"15JAN26": (0.4, -0.2), "27FEB26": (0.5, -0.2)})
    torn = np.array(whole.mark_iv)
    torn[::7], torn[3::11] = np.nan, 0.0
    forward = np.array(whole.forward)
    forward[5::13] = np.nan
    found = smile_at(dataclasses.replace(whole, mark_iv=torn, forward=forward), 30)
    assert found.atm == pytest.approx(smile_at(whole, 30).atm, abs=2e-4)
    assert found.risk_reversal == pytest.approx(smile_at(whole, 30).risk_reversal, abs=1e-3)
    empty = dataclasses.replace(whole, mark_iv=np.full(len(whole), np.nan))
    assert all(math.isnan(one) for one in smile_at(empty, 30))


def test_an_option_in_the_money_has_no_say() -> None:
    whole = chain_of({"15JAN26": (0.4, -0.2), "27FEB26": (0.5, -0.2)})
    odd = np.array(whole.mark_iv)
    inside = whole.table.is_call == (whole.table.strike < whole.forward)
    odd[inside] = 2.0
    assert smile_at(dataclasses.replace(whole, mark_iv=odd), 30) == smile_at(whole, 30)


def test_the_context_takes_the_coins_own_chain() -> None:
    smiles = {"5JAN26": (0.5, -0.1), "15JAN26": (0.45, -0.3), "27FEB26": (0.5, -0.2), "24APR26": (0.55, -0.1)}
    inverse = chain_of(smiles)
    linear = chain_of(dict.fromkeys(smiles, (0.9, 0.0)), code="BTC_USDC")
    bare = MarketContext("BTC", AT, 0.4, 0.4, spot=100_000.0)
    context = with_chains(bare, [linear, inverse])
    week, month = smile_at(inverse, 7), smile_at(inverse, 30)
    assert (context.atm_iv_7d, context.atm_iv_30d) == (week.atm, month.atm)
    assert context.term_slope_30_7 == month.atm / week.atm
    assert context.term_slope_90_30 == context.atm_iv_90d / month.atm
    assert (context.risk_reversal_7d, context.butterfly_30d) == (week.risk_reversal, month.butterfly)
    assert context.spot == 100_000.0 and context.realised_7d == 0.4
    assert with_chains(bare, [linear]).atm_iv_30d == pytest.approx(0.9)
    assert with_chains(MarketContext("ETH", AT, 0.4, 0.4), [linear, inverse]).atm_iv_30d != 0.9
    assert math.isnan(with_chains(MarketContext("ETH", AT, 0.4, 0.4), [inverse]).atm_iv_30d)


@pytest.mark.shared
@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_recorded_chains_against_the_volatility_index_and_the_venues_deltas(coin: str) -> None:
    """30-day volatility lies somewhat below DVOL; the skew is what the recorded deltas pick by themselves."""
    frame = pl.read_parquet(shared(f"data/chains_deribit_6h_btc_eth/{coin}/{coin}_2026-02.parquet"))
    index = pl.read_csv(shared(f"data/dvol/{coin.lower()}_dvol_1d.csv"))
    levels = dict(zip(index["date"], index["open"], strict=True))
    gaps, differences = [], []
    for (stamp,), rows in list(frame.group_by("timestamp", maintain_order=True))[::16]:
        chain = recorded(rows, coin)
        found = smile_at(chain, 30)
        gaps.append(100.0 * found.atm - levels[stamp.strftime("%Y-%m-%d")])
        expiry = int(
            chain.table.expiry_ms[np.argmin(np.abs(chain.table.expiry_ms - chain.at_ms - 25 * MS_PER_DAY))]
        )
        here = smile_at(chain, (expiry - chain.at_ms) / MS_PER_DAY)
        own = rows.filter(pl.col("expiry_datetime").dt.epoch("ms") == expiry)
        call = own.filter(pl.col("option_type") == "call").sort((pl.col("delta") - 0.25).abs())[
            "mark_iv_decimal"
        ][0]
        put = own.filter(pl.col("option_type") == "put").sort((pl.col("delta") + 0.25).abs())[
            "mark_iv_decimal"
        ][0]
        differences.append(here.risk_reversal - (call - put))
    assert len(gaps) >= 5
    assert -6.0 < np.median(gaps) < -1.0, (
        "the index counts the wings, so it lies above the money's volatility"
    )
    assert np.max(np.abs(gaps)) < 12.0
    assert np.median(np.abs(differences)) < 0.01


def recorded(rows: pl.DataFrame, coin: str) -> OptionChain:
    def column(name: str) -> np.ndarray:
        return rows[name].cast(pl.Float64).fill_null(math.nan).to_numpy()

    table = InstrumentTable.of(product(coin), tuple(rows["instrument_name"]))
    at_ms = int(rows["timestamp"][0].timestamp() * 1000) // MS_PER_HOUR * MS_PER_HOUR
    nothing = np.full(len(rows), np.nan)
    return OptionChain(
        table, at_ms, float(rows["index_price"][0]), column("underlying_price"), column("mark_price"),
        column("mark_iv_decimal"), nothing, nothing, nothing, nothing, nothing, nothing,
    )  # fmt: skip
