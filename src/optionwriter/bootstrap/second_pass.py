"""Second pass: what a strategy earns where implied volatility is the realised one, beside a run that multiplies it.

With model = realised the ratio of implied to realised volatility is a constant that somebody chose: whatever is earned
beyond multiplier 1 is that choice. So such a run is repeated with multiplier 1, and its first metrics stand beside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from optionwriter.bootstrap.backtest_config import BacktestConfig
from optionwriter.core.decide.strategies.exits import ExitStyle
from optionwriter.core.report.run import MetricRow, RunSpec
from optionwriter.services.jobs import RunError

PREFIX = "at_multiplier_1_"
NAMES = ("net_profit", "option_pnl", "premium_sold", "max_drawdown", "sharpe", "trades", "win_rate")
Pass = Callable[[BacktestConfig, ExitStyle, int], Iterable[MetricRow]]  # of a config and style, at its place


def unmultiplied(spec: RunSpec, config: BacktestConfig) -> BacktestConfig | None:
    """The config at multiplier 1; None where no volatility is multiplied."""
    if spec.source != "synthetic" or config.model != "realised" or config.iv_multiplier == 1.0:
        return None
    return config.model_copy(update={"iv_multiplier": 1.0})


def at_one(config: BacktestConfig, one_pass: Pass) -> Iterator[MetricRow | str]:
    """The rows that stand beside the run's, and notes; `config` is that of multiplier 1."""
    styles = config.exit_styles
    for place, style in enumerate(styles, len(styles)):
        try:
            rows = [one for one in one_pass(config, style, place) if one.name in NAMES]
        except RunError as error:
            yield f"{style}: at multiplier 1 the run gave no result: {error}"
            continue
        for row in rows:
            yield MetricRow(row.exit_style, row.currency, PREFIX + row.name, row.value, row.error)
        found = {one.name: one.value for one in rows if one.currency == "USD"}
        yield _told(style, found.get("trades") or 0.0, found.get("option_pnl") or 0.0)


def _told(style: ExitStyle, trades: float, option_pnl: float) -> str:
    if not trades:
        return (
            f"{style}: at multiplier 1 (implied volatility is the realised one) the same strategy writes nothing: its "
            "gates, the IV/RV gate among them, let nothing through."
        )
    return (
        f"{style}: at multiplier 1 (implied volatility is the realised one) the same strategy's options bring "
        f"{option_pnl:,.2f} USD in {trades:.0f} positions: what the run shows beyond is the multiplier."
    )
