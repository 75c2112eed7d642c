"""The glossary is what the docs print; a run from the command line (tests/cli/test_backtest.py) holds its names."""

from pathlib import Path

from optionwriter.core.report.glossary import GLOSSARY

DOCS = Path(__file__).parents[3] / "docs" / "backtesting.md"


def test_the_docs_explain_every_metric_in_the_same_words() -> None:
    section = DOCS.read_text(encoding="utf-8").partition("### Every metric")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{name}` | {told} |" for name, told in GLOSSARY.items()]
