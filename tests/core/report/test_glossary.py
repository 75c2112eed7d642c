"""The glossary is what the docs print; a run from the command line (tests/cli/test_backtest.py) holds its names."""

from pathlib import Path

from optionwriter.core.report.glossary import GLOSSARY, digits_of

DOCS = Path(__file__).parents[3] / "docs" / "backtesting.md"


def test_the_docs_explain_every_metric_in_the_same_words() -> None:
    section = DOCS.read_text(encoding="utf-8").partition("### Every metric")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{name}` | {told} |" for name, told in GLOSSARY.items()]


def test_every_metric_is_read_in_the_digits_of_its_unit() -> None:
    read = {(name, currency): digits_of(name, currency) for name in GLOSSARY for currency in ("USD", "BTC")}
    counts = {name for (name, _), digits in read.items() if digits == 0}
    assert {one for one in counts if not one.startswith(("fills", "settlements"))} == {
        "trades", "rolls", "at_multiplier_1_trades",
    }  # fmt: skip
    assert (
        read["option_pnl", "USD"] == read["attributed_vega", "USD"] == read["holding_net_profit", "USD"] == 2
    )
    assert read["option_pnl", "BTC"] == read["benchmark_atm_over", "BTC"] == read["fees", "BTC"] == 6
    assert read["fees_saved", "USD"] == 2 and read["over_holding", "USD"] == 2
    ratios = {name for (name, currency), digits in read.items() if currency == "BTC" and digits == 4}
    for name in ("sharpe", "total_return", "win_rate", "iv_sold", "max_drawdown", "holding_volatility"):
        assert name in ratios and read[name, "USD"] == 4
