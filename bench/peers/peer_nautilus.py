"""nautilus_trader: events on one spot instrument with hourly bars and a trivial strategy."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
from measured import measure
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

HOLD_BARS = 168


class EveryWeek(Strategy):
    """Buys 0.1 BTC, a week later sells it, and again."""

    def __init__(self, kind: BarType) -> None:
        super().__init__()
        self.kind, self.bars = kind, 0

    def on_start(self) -> None:
        self.subscribe_bars(self.kind)

    def on_bar(self, _bar: Bar) -> None:
        self.bars += 1
        if self.bars % HOLD_BARS == 0:
            side = OrderSide.BUY if self.bars // HOLD_BARS % 2 else OrderSide.SELL
            instrument = self.cache.instrument(self.kind.instrument_id)
            amount = instrument.make_qty(Decimal("0.1"))
            self.submit_order(self.order_factory.market(instrument.id, side, amount))


def main(folder: Path, repeats: int) -> None:
    hours = np.load(folder / "hours.npz")
    frame = pd.DataFrame(
        {name: hours[name] for name in ("open", "high", "low", "close")},
        index=pd.to_datetime(hours["open_ms"], unit="ms", utc=True),
    )
    instrument = TestInstrumentProvider.btcusdt_binance()
    kind = BarType.from_str(f"{instrument.id}-1-HOUR-LAST-EXTERNAL")
    bars = BarDataWrangler(kind, instrument).process(frame)

    def run() -> str:
        engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
        engine.add_venue(
            Venue("BINANCE"), OmsType.NETTING, AccountType.CASH, [Money(200_000, USDT), Money(2, BTC)]
        )
        engine.add_instrument(instrument)
        engine.add_data(bars)
        strategy = EveryWeek(kind)
        engine.add_strategy(strategy)
        engine.run()
        filled = len(engine.trader.generate_order_fills_report())
        told = f"{strategy.bars:,} bars seen, {filled} fills"
        engine.dispose()
        return told

    workload = (
        f"{len(bars):,} hourly bars of one spot instrument, a market order every {HOLD_BARS} bars, fees"
    )
    measure("nautilus_trader", workload, run, repeats)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
