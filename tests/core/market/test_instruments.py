"""Names, expiries and grids, held to recorded instruments."""

from decimal import Decimal

import polars as pl
import pytest
from shared_data import shared

from optionwriter.core.market.instruments import (
    PRODUCTS,
    RECORDED_PRODUCTS,
    InstrumentError,
    OptionType,
    next_expiry_instant,
    option_name,
    parse_instrument,
    parse_recorded,
    product,
    recorded_product,
)


@pytest.mark.parametrize("name", ["BTC-27MAR26-80000-C", "BTC-5AUG23-580-P", "ETH_USDC-25DEC26-2250-C"])
def test_names_round_trip(name: str) -> None:
    one = parse_instrument(name)
    assert option_name(one.product.code, one.expiry_ms, one.strike, one.option_type) == name


def test_a_name_is_read_into_its_parts() -> None:
    one = parse_instrument("BTC-27MAR26-80000-C")
    assert (one.strike, one.option_type, one.expiry_ms) == (
        Decimal(80000),
        OptionType.CALL,
        1_774_598_400_000,
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("BTC-PERPETUAL", "no option name"),
        ("BTC-05AUG23-580-P", "leading zero"),
        ("BTC-31FEB26-580-P", "BTC-31FEB26"),
        ("BTC-5XYZ23-580-P", "no valid expiry"),
        ("DOGE-5AUG23-580-P", "unknown product"),
        ("btc-5AUG23-580-P", "no option name"),
    ],
)
def test_a_wrong_name_is_refused_with_a_reason(name: str, says: str) -> None:
    with pytest.raises(InstrumentError, match=says):
        parse_instrument(name)


def test_decimal_strikes_are_read() -> None:
    assert parse_instrument("ETH_USDC-21SEP26-1d325-C").strike == Decimal("1.325")


def test_ticks_widen_above_the_recorded_step() -> None:
    btc = product("BTC")
    assert btc.price_on_grid(Decimal("0.0049")) and btc.price_on_grid(Decimal("0.0055"))
    assert not btc.price_on_grid(Decimal("0.0051")) and not btc.price_on_grid(Decimal("0"))
    assert btc.floor_price(Decimal("0.0059")) == Decimal("0.0055")
    assert btc.ceil_price(Decimal("0.0051")) == Decimal("0.0055")


def test_amounts_are_never_rounded_up() -> None:
    btc = product("BTC")
    assert btc.floor_amount(Decimal("0.19")) == Decimal("0.1")
    assert btc.floor_amount(Decimal("0.09")) == 0


def test_the_next_expiry_is_strictly_later() -> None:
    at = parse_instrument("BTC-27MAR26-80000-C").expiry_ms
    assert next_expiry_instant(at) == at + 86_400_000
    assert next_expiry_instant(at - 1) == at


def test_what_is_recorded_besides_is_unknown_to_whoever_trades() -> None:
    for code in ("SOL_USDC", "XRP_USDC", "AVAX_USDC", "TRX_USDC", "PAXG_USDC"):
        assert code not in PRODUCTS and recorded_product(code).index_name == code.lower()
        with pytest.raises(InstrumentError, match="unknown product"):
            product(code)
        with pytest.raises(InstrumentError, match="unknown product"):
            parse_instrument(f"{code}-27MAR26-10-C")
    one = parse_recorded("XRP_USDC-21SEP26-1d325-C")
    assert (one.strike, one.product.min_amount) == (Decimal("1.325"), Decimal(1000))
    assert option_name("XRP_USDC", one.expiry_ms, one.strike, one.option_type) == one.name
    assert parse_recorded("BTC-27MAR26-80000-C") == parse_instrument("BTC-27MAR26-80000-C")
    with pytest.raises(InstrumentError, match="unknown product 'DOGE_USDC'"):
        parse_recorded("DOGE_USDC-27MAR26-1-C")


@pytest.mark.shared
def test_the_grids_of_recorded_products_are_those_of_every_captured_quote_and_open_interest() -> None:
    quoted = 0
    for code, item in RECORDED_PRODUCTS.items():
        rows = pl.read_parquet(shared(f"data/chains_deribit_5min_multiasset/{code}.parquet"))
        prices = pl.concat([rows[name].cast(pl.Float64) for name in ("best_bid_price", "best_ask_price")])
        known = [Decimal(repr(one)) for one in prices.drop_nulls().unique().to_list() if one > 0]
        assert all(item.price_on_grid(one) for one in known), code
        quoted += bool(known)
        held = [Decimal(repr(one)) for one in rows["open_interest"].drop_nulls().unique().to_list()]
        assert all(one % item.amount_step == 0 for one in held), code
    assert quoted == 7  # none of AVAX and TRX: their ticks are assumed
