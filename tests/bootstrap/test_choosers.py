"""Who chooses: rules, ε-greedy or training, with the limits that go with it; and what is refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from optionwriter.bootstrap.parts import BootError, limits_of, seats_of
from optionwriter.core.decide.choosing import choose_best
from optionwriter.core.decide.exploring import EpsilonGreedy
from optionwriter.core.decide.limits import Bounds, Cap, Stress
from optionwriter.core.decide.menu import Size
from optionwriter.core.decide.training import TrainingChooser
from optionwriter.settings import Settings, SettingsError, load

TWO = '[calls]\nkind = "covered_call"\n[puts]\nkind = "cash_secured_put"\n'


def settings(folder: Path, text: str = TWO, **given: object) -> Settings:
    path = folder / "mine.toml"
    path.write_text(text)
    return Settings.model_validate({"strategies_file": path, **given})


def test_rules_choose_unless_asked_otherwise(tmp_path: Path) -> None:
    for seat in seats_of(settings(tmp_path)):
        assert (seat.choose, seat.chooser, seat.epsilon) == (choose_best, "rules", 0.0)


def test_epsilon_seats_the_exploring_chooser(tmp_path: Path) -> None:
    for seat in seats_of(settings(tmp_path, explore_epsilon=0.1, explore_seed=4)):
        assert isinstance(seat.choose, EpsilonGreedy) and (seat.epsilon, seat.choose.epsilon) == (0.1, 0.1)


def test_training_seats_its_chooser_and_lifts_limits_for_those_that_train(tmp_path: Path) -> None:
    chosen = settings(tmp_path, training_mode=True, max_vega_usd=Decimal(7), explore_epsilon=0.1)
    calls, puts = seats_of(chosen)
    assert isinstance(calls.choose, TrainingChooser) and (calls.chooser, calls.epsilon) == ("training", 0.0)
    assert (calls.config.sizes, calls.config.max_chains) == ((Size.MINIMUM,), 6)
    assert isinstance(puts.choose, EpsilonGreedy) and puts.config.max_chains == 1
    limits = limits_of(chosen, (calls, puts))
    assert (limits.max_call_chains, limits.max_put_chains, limits.max_calls_per_expiry) == (6, 1, 3)
    assert limits.max_vega_usd > 10**6
    assert limits.strategies["calls"] == Bounds() and limits.strategies["puts"].max_vega_usd == 7


def test_which_instances_train_can_be_named(tmp_path: Path) -> None:
    text = '[a]\nkind = "covered_call"\n[b]\nkind = "covered_call"\n'
    chosen = settings(tmp_path, text, training_mode=True, training_strategies="b")
    assert [one.chooser for one in seats_of(chosen)] == ["rules", "training"]
    for named, says in (("c", "names c: choose from .* \\(a, b\\)"), ("b,puts", "names puts")):
        with pytest.raises(BootError, match=says):
            seats_of(settings(tmp_path, text, training_mode=True, training_strategies=named))
    with pytest.raises(BootError, match="no enabled instance is of kind covered_call or income"):
        seats_of(settings(tmp_path, '[p]\nkind = "cash_secured_put"\n', training_mode=True))


def test_profiles_that_make_no_sense_name_their_file(tmp_path: Path) -> None:
    path = tmp_path / "profiles.toml"
    path.write_text("[bold]\ndelta_maxx = 0.5\n")
    with pytest.raises(
        BootError, match=r"profiles\.toml: bold\.delta_maxx is unknown: did you mean delta_max\?"
    ):
        seats_of(settings(tmp_path, training_mode=True, training_profiles_file=path))
    with pytest.raises(BootError, match=r"none\.toml"):
        seats_of(settings(tmp_path, training_mode=True, training_profiles_file=tmp_path / "none.toml"))


def refused(folder: Path, **environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(environment=environment, folder=folder)
    return str(caught.value)


def test_training_is_refused_on_mainnet_even_dry(tmp_path: Path) -> None:
    for dry in ("true", "false"):
        says = refused(tmp_path, TRAINING_MODE="true", DERIBIT_ENV="mainnet", DRY_RUN=dry)
        assert "TRAINING_MODE=true with DERIBIT_ENV=mainnet" in says and "testnet" in says
    for env in ("local", "testnet"):
        found = load(environment={"TRAINING_MODE": "true", "DERIBIT_ENV": env}, folder=tmp_path)
        assert found.settings.training_mode


def test_exploring_is_refused_in_production(tmp_path: Path) -> None:
    says = refused(tmp_path, EXPLORE_EPSILON="0.05", MODE="production")
    assert "EXPLORE_EPSILON=0.05 under MODE=production" in says and "MODE=research" in says
    assert load(environment={"EXPLORE_EPSILON": "0", "MODE": "production"}, folder=tmp_path)
    assert "EXPLORE_EPSILON" in refused(tmp_path, EXPLORE_EPSILON="1.5")


def test_limits_come_from_the_settings_and_the_strategies_tables(tmp_path: Path) -> None:
    text = TWO + '[puts.limits]\nmax_stress_loss = "5%"\nmax_chains_total = 1\nmax_vega_usd = 50\n'
    chosen = settings(
        tmp_path,
        text,
        max_total_short_notional="120%",
        max_covered_share="0.8",
        max_vega_usd="900",
        max_stress_loss="25000",
        stress_spot_pct="30",
        stress_vol_points="5",
        max_chains_total=3,
        max_lots_per_order=40,
    )
    seats = seats_of(chosen)
    limits = limits_of(chosen, seats)
    assert limits.account_bounds == Bounds(
        max_total_short_notional=Cap.pct(120),
        max_covered_share=Decimal("0.8"),
        max_vega_usd=Decimal(900),
        max_stress_loss=Cap.usd(25_000),
        max_chains_total=3,
        max_lots_per_order=40,
    )
    assert limits.stress == Stress(Decimal(30), Decimal(5))
    own = Bounds(max_stress_loss=Cap.pct(5), max_chains_total=1, max_vega_usd=Decimal(50))
    assert limits.strategies == {"calls": Bounds(), "puts": own}
    assert seats[1].config.limits == own


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("max_vega = 3", r"calls\.limits\.max_vega is unknown: did you mean max_vega_usd\?"),
        ("max_covered_share = 2", r"calls\.limits\.max_covered_share = 2"),
        ('max_stress_loss = "lots"', r"calls\.limits\.max_stress_loss"),
    ],
)
def test_a_strategys_limits_are_refused_by_name(tmp_path: Path, table: str, says: str) -> None:
    text = f'[calls]\nkind = "covered_call"\n[calls.limits]\n{table}\n'
    with pytest.raises(BootError, match=says):
        seats_of(settings(tmp_path, text))


def test_limits_that_are_no_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BootError, match=r"calls\.limits: must be a table"):
        seats_of(settings(tmp_path, '[calls]\nkind = "covered_call"\nlimits = 3\n'))
