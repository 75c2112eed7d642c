"""What may be said of a backtest: presets and changes lie over the instance, and nonsense is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from optionwriter.bootstrap.backtest_config import instance_of, presets, read_config
from optionwriter.bootstrap.backtests import check
from optionwriter.bootstrap.sources import steps
from optionwriter.core.decide.strategies.exits import ExitStyle
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.report.run import RunSpec
from optionwriter.services.jobs import RunError
from optionwriter.settings import Settings

START = 20_458 * MS_PER_DAY
SPEC = RunSpec("t", "synthetic", "income", ("BTC",), START, START + 5 * MS_PER_DAY, 1)


def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def test_a_preset_lies_over_the_instance_and_changes_over_the_preset(tmp_path: Path) -> None:
    balanced = instance_of(settings(tmp_path), "income", ("BTC", "ETH"), read_config({}))
    assert (balanced.gates.delta_max, balanced.min_score, balanced.kind) == (0.30, 0.10, "income")
    custom = read_config({"preset": "CUSTOM", "changes": {"gates.delta_max": 0.22, "size_share": 0.5}})
    changed = instance_of(settings(tmp_path), "income", ("BTC",), custom)
    assert (changed.gates.delta_max, changed.gates.delta_min) == (0.22, balanced.gates.delta_min)
    assert float(changed.size_share) == 0.5 and changed.underlyings == ("BTC",)


def test_the_presets_are_ordered_by_risk(tmp_path: Path) -> None:
    assert set(presets()) == {"ULTRA_SAFE", "BALANCED", "AGGRESSIVE", "CUSTOM"}
    safe, balanced, bold = (
        instance_of(settings(tmp_path), "income", ("BTC",), read_config({"preset": name}))
        for name in ("ULTRA_SAFE", "BALANCED", "AGGRESSIVE")
    )
    for name in ("delta_max", "delta_min"):
        assert getattr(safe.gates, name) < getattr(balanced.gates, name) < getattr(bold.gates, name)
    assert safe.gates.ivrv_min > balanced.gates.ivrv_min > bold.gates.ivrv_min
    assert safe.min_score > balanced.min_score > bold.min_score


def test_an_instance_that_is_switched_off_can_be_tested(tmp_path: Path) -> None:
    assert (
        instance_of(settings(tmp_path), "puts_experimental", ("BTC",), read_config({})).kind
        == "cash_secured_put"
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"step_minuts": 5}, "step_minuts is nothing that a backtest knows"),
        ({"step_minutes": 1}, "step_minutes: .*greater than or equal to 5.*1 was given"),
        ({"exit_styles": "hold"}, "choose from hold_to_expiry, tp_and_roll, own, or all"),
        ({"exit_styles": []}, "at least one"),
        ({"model": "magic"}, "model: .*anchored.*realised"),
        ({"iv_multiplier": 0}, "iv_multiplier"),
        ({"spread_share": 1.5}, "spread_share"),
        ({"btc": float("inf")}, "btc"),
    ],
)
def test_wrong_values_are_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(RunError, match=said):
        read_config(values)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": "nowhere"}, "source 'nowhere' is not there: choose from synthetic"),
        ({"strategy": "incom"}, "no strategy instance 'incom': it has income"),
        ({"end_ms": START}, "the period is empty"),
        ({"end_ms": START - MS_PER_DAY}, "ends before it starts: swap its dates"),
        ({"start_ms": 0}, "choose a period within it"),
        ({"underlyings": ("SOL",)}, "SOL"),
        ({"config": {"preset": "SAFE"}}, "preset 'SAFE' is not there"),
        ({"config": {"changes": {"gates.delta_max": 0.2}}}, "changes go with preset CUSTOM"),
        ({"config": {"preset": "CUSTOM", "changes": {"gates.delta_mx": 0.2}}}, "did you mean delta_max"),
    ],
)
def test_what_can_not_be_run_is_said_before_it_runs(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    from dataclasses import replace

    with pytest.raises(RunError, match=said):
        check(settings(tmp_path), replace(SPEC, **changes))


def test_steps_are_full_steps_of_the_clock() -> None:
    from dataclasses import replace

    spec = replace(SPEC, start_ms=START + 61_000, end_ms=START + 7_300_000)
    assert steps(spec, read_config({})) == (START + 3_600_000, START + 7_200_000)


def test_styles_are_read_once_each() -> None:
    assert read_config({"exit_styles": "own, own,tp_and_roll"}).exit_styles == (
        ExitStyle.OWN,
        ExitStyle.TP_AND_ROLL,
    )
    assert read_config({"exit_styles": "all"}).exit_styles == tuple(ExitStyle)
