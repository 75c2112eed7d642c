"""Strategy files: what a table says is in force, what it leaves out is the mode's, what is wrong is named."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from optionwriter.core.decide.menu import Size
from optionwriter.core.decide.strategies.base import (
    ConfigError,
    Mode,
    StrategyConfig,
    Style,
    defaults,
    products_written,
)
from optionwriter.core.decide.strategies.instances import GateOverrides, read_instances
from optionwriter.core.decide.strategies.registry import STRATEGIES, strategy

SHIPPED = Path(__file__).resolve().parents[3] / "config" / "strategies.toml"


def read(text: str, mode: Mode = Mode.RESEARCH, **overrides: float) -> tuple[StrategyConfig, ...]:
    return read_instances(tomllib.loads(text), mode, ("BTC", "ETH"), GateOverrides(**overrides))


def test_a_table_overrides_only_what_it_names() -> None:
    (mine,) = read(
        '[mine]\nsize_share = 0.25\nsizes = ["half"]\nstyle = "mid"\n[mine.gates]\ndelta_max = 0.2\n'
    )
    start = defaults(Mode.RESEARCH, "mine")
    assert (mine.size_share, mine.sizes, mine.style) == (Decimal("0.25"), (Size.HALF,), Style.MID)
    assert mine.gates == start.gates._replace(delta_max=0.2) and mine.manage == start.manage


def test_the_mode_is_the_start() -> None:
    (wide,), (strict,) = read("[a]\n"), read("[a]\n", Mode.PRODUCTION)
    assert wide == defaults(Mode.RESEARCH, "a") and strict == defaults(Mode.PRODUCTION, "a")
    assert strict.gates.delta_max < wide.gates.delta_max


def test_settings_stand_over_every_table_and_0_is_a_setting() -> None:
    one, two = read("[one]\n[one.gates]\ndte_max = 9\n[two]\n", dte_max=5.0, ivrv_min=0.0)
    assert {one.gates.dte_max, two.gates.dte_max} == {5.0} and one.gates.ivrv_min == 0.0


def test_an_instance_keeps_to_the_wanted_underlyings() -> None:
    table = tomllib.loads('[a]\nunderlyings = ["ETH", "BTC"]\n')
    (only,) = read_instances(table, Mode.RESEARCH, ("BTC",), GateOverrides())
    assert only.underlyings == ("BTC",)


def test_the_order_of_the_file_is_kept() -> None:
    assert [one.id for one in read("[z]\n[a]\nenabled = false\n[m]\n")] == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mine = 1\n", "mine: a strategy instance is a table"),
        ("[mine]\nsize_shar = 1\n", r"mine.size_shar is unknown: did you mean size_share\?"),
        ("[mine.gates]\nzzz = 1\n", "mine.gates.zzz is unknown: known are"),
        ('[mine.gates]\ndte_min = "2"\n', "mine.gates.dte_min: '2' is no number"),
        ("[mine.gates]\ndte_min = nan\n", "dte_min is no finite number"),
        ("[mine]\ngates = 3\n", "mine.gates: must be a table"),
        ("[mine.roll]\ntake_profit_rolls = 1\n", "neither true nor false"),
        ("[mine]\nenabled = 1\n", "mine.enabled: 1 is neither true nor false"),
        ("[mine]\nsize_share = 2\n", "size_share 2 must be above 0 and at most 1"),
        ('[mine]\nsize_share = "much"\n', "mine.size_share: 'much' is no number"),
        ("[mine]\nmin_score = inf\n", "no finite number"),
        ("[mine]\nmax_items = 1.5\n", "no whole number"),
        ('[mine]\nwrites = "covered_call"\n', "must be a list of texts"),
        ('[mine]\nwrites = ["naked_put"]\n', "naked_put"),
        ('[mine]\nkind = "martingale"\n', "unknown strategy kind 'martingale'"),
        ("[mine]\nkind = 3\n", "mine.kind: 3 is no text"),
        ('[mine]\nchooser = "llm"\n', r"chooser 'llm' is not there \(llm and learned are still to come\)"),
        ('[mine]\nchooser = "learned"\n', "chooser 'learned' is not there"),
        ('[mine]\nsizes = ["huge"]\n', "'huge' is not one of full, half, minimum"),
        ('[mine]\nstyle = "yolo"\n', "'yolo' is not one of"),
    ],
)
def test_what_is_wrong_is_named(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(text)


def test_the_shipped_file_is_good_and_only_income_starts() -> None:
    configs = read(SHIPPED.read_text())
    assert [one.id for one in configs if one.enabled] == ["income"]
    assert all(strategy(one.kind) for one in configs)
    named = ["income", "covered_call_conservative", "covered_call_aggressive", "puts_experimental"]
    bundles = ["strangle", "call_spread", "put_spread", "wheel"]
    assert [one.id for one in configs] == named + bundles
    assert {one.kind for one in configs} == set(STRATEGIES)
    assert [one.bundle.wing_delta for one in configs if one.id == "put_spread"] == [0.05]
    assert all(one.profile and one.chooser == "rules" for one in configs)


@pytest.mark.parametrize("kind", list(STRATEGIES))
def test_a_kind_knows_what_it_writes(kind: str) -> None:
    (mine,) = read(f'[mine]\nkind = "{kind}"\n')
    assert mine.writes == strategy(kind).writes


def test_puts_are_written_in_usdc_and_calls_in_coin() -> None:
    both, puts = read('[a]\nkind = "income"\n[b]\nkind = "cash_secured_put"\nunderlyings = ["ETH"]\n')
    assert products_written(both) == ("BTC", "BTC_USDC", "ETH", "ETH_USDC")
    assert products_written(puts) == ("ETH_USDC",)
