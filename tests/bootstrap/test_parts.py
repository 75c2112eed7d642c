"""What is read from the market follows from what the enabled instances sell."""

from __future__ import annotations

from pathlib import Path

import pytest

from optionwriter.bootstrap.parts import BootError, products_of, seats_of
from optionwriter.settings import Settings


def settings(folder: Path, text: str, **given: object) -> Settings:
    path = folder / "mine.toml"
    path.write_text(text)
    return Settings.model_validate({"strategies_file": path, **given})


def test_the_shipped_instances_read_both_books_of_both_coins() -> None:
    assert products_of(Settings()) == ("BTC", "ETH", "BTC_USDC", "ETH_USDC")
    assert products_of(Settings(underlyings=("ETH",))) == ("ETH", "ETH_USDC")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('[c]\nkind = "covered_call"\n', ("BTC", "ETH")),
        ('[p]\nkind = "cash_secured_put"\nunderlyings = ["ETH"]\n', ("BTC", "ETH", "ETH_USDC")),
        ('[c]\n[p]\nkind = "income"\nenabled = false\n', ("BTC", "ETH")),
        ('[i]\nkind = "income"\n', ("BTC", "ETH", "BTC_USDC", "ETH_USDC")),
    ],
)
def test_linear_books_are_read_where_puts_are_written(tmp_path: Path, text: str, read: tuple[str]) -> None:
    assert products_of(settings(tmp_path, text)) == read


def test_a_chooser_that_is_not_there_is_refused_even_where_it_is_not_enabled(tmp_path: Path) -> None:
    table = '[a]\n[b]\nenabled = false\nchooser = "llm"\n'
    with pytest.raises(BootError, match=r"b: chooser 'llm' is not there .*: use rules"):
        seats_of(settings(tmp_path, table))
