"""The whole thread on recorded chains: our delta against the exchange's, and menus that account for every call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from shared_data import shared

from optionwriter.core.decide.choosing import ChoiceParams, choose_best, proposals
from optionwriter.core.decide.limits import Limits
from optionwriter.core.decide.risk import capacity_of, review
from optionwriter.core.decide.screening import screen
from optionwriter.core.decide.strategies.base import Mode, defaults
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.market.chain import F64, InstrumentTable, OptionChain
from optionwriter.core.market.instruments import product
from tests.core.decide.worlds import account, currency, state_of

pytestmark = pytest.mark.shared


def chains(coin: str, every: int) -> Iterator[tuple[OptionChain, F64]]:
    """January 2026, one snapshot in `every`, with the recorded deltas."""
    table = pl.read_parquet(shared(f"data/chains_deribit_6h_btc_eth/{coin}/{coin}_2026-01.parquet"))
    instants = table["timestamp"].unique().sort()[::every]
    for at in instants:
        rows = table.filter(pl.col("timestamp") == at)

        def column(name: str, rows: pl.DataFrame = rows) -> F64:
            return rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()

        unknown = np.full(len(rows), np.nan)
        yield (
            OptionChain(
                InstrumentTable.of(product(coin), tuple(rows["instrument_name"].to_list())),
                int(at.timestamp() * 1000),
                float(rows["index_price"][0]),
                column("underlying_price"),
                column("mark_price"),
                column("mark_iv_decimal"),
                column("bid_price"),
                column("ask_price"),
                unknown,
                unknown,
                column("open_interest"),
                column("volume"),
            ),
            column("delta"),
        )


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_our_delta_is_the_exchanges(coin: str) -> None:
    config = defaults(Mode.RESEARCH)
    errors = []
    for chain, recorded in chains(coin, 12):
        found = screen(chain, True, 0.4, config.gates, config.score)
        calls = (found.gate >= 0) & np.isfinite(found.metrics[:, 0]) & np.isfinite(recorded)
        errors.append(np.abs(found.metrics[calls, 0] - np.abs(recorded[calls])))
    error = np.concatenate(errors)
    assert len(error) > 2_000
    assert np.median(error) < 3e-4  # forwards were read over some seconds, IV is rounded
    assert np.quantile(error, 0.99) < 0.02


@pytest.mark.parametrize("mode", list(Mode))
def test_every_recorded_call_is_an_item_or_a_rejection_and_what_is_chosen_passes_risk(mode: Mode) -> None:
    config = replace(defaults(mode), underlyings=("BTC",))
    approved = 0
    for chain, _ in chains("BTC", 6):
        state = state_of(chain, account=account(currency("BTC", "1"), at_ms=chain.at_ms), at_ms=chain.at_ms)
        menus = strategy("covered_call").propose(state, config, capacity_of(state, Limits()))
        (menu,) = menus
        names = {item.legs[0].instrument for item in menu.items}
        rejected = [name for part in menu.rejected for name in part.names]
        assert len(names) + len(rejected) == int(chain.table.is_call.sum())
        chosen = choose_best(menus, ChoiceParams(config.min_score)).keys
        result = review(state, Limits(), proposals(menus, chosen))
        assert result.refused == ()
        for one in result.approved:
            approved += 1
            (leg,) = one.item.legs
            assert leg.amount == 1
            row = chain.table.row_of[leg.instrument]
            assert leg.limit_price == Decimal(repr(float(chain.bid[row])))
            assert config.gates.dte_min <= one.item.metrics.dte <= config.gates.dte_max
    assert approved > 0
