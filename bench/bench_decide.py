"""How fast a decision is: a 1,000-instrument chain to the chosen item, decoding not counted."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np

from bench import Row, best_seconds
from optionwriter.core.books.account import AccountSnapshot, CurrencyAccount
from optionwriter.core.books.book import Book
from optionwriter.core.decide.choosing import ChoiceParams, choose_best, proposals
from optionwriter.core.decide.limits import Limits
from optionwriter.core.decide.risk import capacity_of, review
from optionwriter.core.decide.screening import screen
from optionwriter.core.decide.state import AgentState, build_state
from optionwriter.core.decide.strategies.base import Mode, defaults
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.chain import InstrumentTable, OptionChain
from optionwriter.core.market.context import MarketContext
from optionwriter.core.market.instruments import (
    MS_PER_DAY,
    MS_PER_YEAR,
    OptionType,
    next_expiry_instant,
    option_name,
    product,
)

NOW = 1_767_614_400_000
SPOT = 93_000.0


def thousand() -> OptionChain:
    """Ten expiries of fifty strikes, calls and puts, quoted 3 % around Black-76."""
    first = next_expiry_instant(NOW)
    names = tuple(
        option_name("BTC", first + days * MS_PER_DAY, Decimal(strike), kind)
        for days in (0, 1, 2, 4, 11, 18, 25, 53, 81, 172)
        for strike in range(60_000, 135_000, 1_500)
        for kind in OptionType
    )
    table = InstrumentTable.of(product("BTC"), names)
    size = len(table)
    sigma, forward = np.full(size, 0.45), np.full(size, SPOT)
    usd, _ = price_delta(forward, table.strike, (table.expiry_ms - NOW) / MS_PER_YEAR, sigma, table.is_call)
    mark = usd / SPOT
    tick = np.where(mark > 0.005, 0.0005, 0.0001)
    bid = np.round(np.floor(mark * 0.97 / tick) * tick, 4)
    ask = np.round((np.floor(mark * 1.03 / tick) + 1) * tick, 4)
    plenty = np.full(size, 50.0)
    return OptionChain(
        table, NOW, SPOT, forward, np.round(mark, 6), sigma, np.where(bid > 0, bid, np.nan), ask,
        plenty, plenty, plenty, plenty,
    )  # fmt: skip


def world(chain: OptionChain) -> AgentState:
    """One coin, nothing sold."""
    one = Decimal(1)
    cash = CurrencyAccount("BTC", one, one, one, Decimal(0), Decimal(0), Decimal(0))
    account = AccountSnapshot(NOW, "A1", "local", "segregated_sm", False, (cash,), (), ())
    return build_state(NOW, account, Book(), {"BTC": chain}, {"BTC": MarketContext("BTC", NOW, 0.40, 0.40)})


def run() -> list[Row]:
    """Screening alone, chain to chosen item, and the same with the risk review."""
    chain = thousand()
    config = replace(defaults(Mode.RESEARCH), underlyings=("BTC",))
    limits, seller = Limits(), strategy(config.kind)
    params = ChoiceParams(config.min_score)

    def chosen() -> object:
        state = world(chain)
        menus = seller.propose(state, config, capacity_of(state, limits))
        return choose_best(menus, params).keys

    def reviewed() -> object:
        state = world(chain)
        menus = seller.propose(state, config, capacity_of(state, limits))
        return review(state, limits, proposals(menus, choose_best(menus, params).keys))

    def screened() -> object:
        return screen(chain, True, 0.40, config.gates, config.score)

    assert choose_best(seller.propose(world(chain), config, capacity_of(world(chain), limits)), params).keys
    return [
        Row(f"rules over {len(chain)} instruments", best_seconds(screened, 200) * 1e6, "us"),
        Row(f"{len(chain)} instruments to chosen item", best_seconds(chosen, 200) * 1e3, "ms", 1.0),
        Row("the same with risk review", best_seconds(reviewed, 200) * 1e3, "ms"),
    ]
