"""Settings: precedence, refusals that name the key and the cure, masked secrets."""

from decimal import Decimal
from pathlib import Path

import pytest

from optionwriter.settings import Settings, SettingsError, load, shown


def refused(folder: Path, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(environment=environment or {}, folder=folder)
    return str(caught.value)


def test_environment_beats_dotenv_beats_toml(tmp_path: Path) -> None:
    (tmp_path / "optionwriter.toml").write_text('dte_max = 30\ndte_min = 3\nmode = "production"\n')
    (tmp_path / ".env").write_text("DTE_MAX=20\nDTE_MIN=4\n")
    loaded = load(environment={"DTE_MAX": "10", "PATH": "/bin"}, folder=tmp_path)
    assert (loaded.settings.dte_max, loaded.settings.dte_min, loaded.settings.mode) == (10, 4, "production")
    assert loaded.origins == {"dte_max": "environment", "dte_min": ".env", "mode": "optionwriter.toml"}


def test_underlyings_are_a_list_in_any_layer(tmp_path: Path) -> None:
    assert load(environment={"UNDERLYINGS": "eth, btc"}, folder=tmp_path).settings.underlyings == (
        "ETH",
        "BTC",
    )
    (tmp_path / "optionwriter.toml").write_text('underlyings = ["ETH"]\n')
    assert load(environment={}, folder=tmp_path).settings.underlyings == ("ETH",)


def test_an_unknown_key_in_a_file_is_named_with_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "optionwriter.toml").write_text("delta_maxx = 0.3\n")
    assert "delta_maxx in optionwriter.toml is no setting: did you mean DELTA_MAX?" in refused(tmp_path)
    (tmp_path / "optionwriter.toml").unlink()
    (tmp_path / ".env").write_text("DRYRUN=false\n")
    assert "DRYRUN in .env is no setting: did you mean DRY_RUN?" in refused(tmp_path)


def test_a_near_miss_in_the_environment_is_refused_but_others_variables_are_not(tmp_path: Path) -> None:
    assert "did you mean MAX_MARGIN_USED_PCT?" in refused(tmp_path, {"MAX_MARGIN_USE_PCT": "10"})
    load(environment={"HOME": "/", "MODEL": "x", "DATABASE_URL": "x", "LANG": "C"}, folder=tmp_path)


def test_a_part_that_is_not_built_yet_is_refused_by_name(tmp_path: Path) -> None:
    assert "LLM_ENABLED in the environment: that part is not built yet" in refused(
        tmp_path, {"LLM_ENABLED": "1"}
    )


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DRY_RUN", "flase", "DRY_RUN: is neither true nor false"),
        ("MAX_MARGIN_USED_PCT", "nan", "MAX_MARGIN_USED_PCT"),
        ("MAX_MARGIN_USED_PCT", "-1", "MAX_MARGIN_USED_PCT"),
        ("MAX_NET_DELTA_ABS", "Infinity", "MAX_NET_DELTA_ABS"),
        ("MAX_CALL_NOTIONAL_PER_UNDERLYING", "lots", "MAX_CALL_NOTIONAL_PER_UNDERLYING"),
        ("UNDERLYINGS", "DOGE", "UNDERLYINGS"),
        ("UNDERLYINGS", "", "UNDERLYINGS"),
        ("UNDERLYINGS", "BTC,BTC", "name each underlying once"),
        ("DERIBIT_ENV", "prod", "DERIBIT_ENV"),
        ("MANAGED_CLIENT_ID_PREFIX", "a b", "MANAGED_CLIENT_ID_PREFIX"),
        ("LOOP_INTERVAL_SEC", "0", "LOOP_INTERVAL_SEC"),
    ],
)
def test_a_wrong_value_is_refused_and_named(tmp_path: Path, name: str, value: str, says: str) -> None:
    message = refused(tmp_path, {name: value})
    assert says in message and "[from environment]" in message


def test_contradictory_bounds_are_refused(tmp_path: Path) -> None:
    assert "DTE_MIN is above DTE_MAX" in refused(tmp_path, {"DTE_MIN": "9", "DTE_MAX": "3"})


def test_every_problem_is_listed_at_once(tmp_path: Path) -> None:
    (tmp_path / "optionwriter.toml").write_text("nonsense = 1\n")
    message = refused(tmp_path, {"DRY_RUN": "maybe", "LOOP_INTERVAL_SEC": "x"})
    assert len(message.splitlines()) == 3


def test_broken_toml_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "optionwriter.toml").write_text("dte_max = = 3\n")
    assert "optionwriter.toml can't be read" in refused(tmp_path)


def test_secrets_never_show(tmp_path: Path) -> None:
    secret = "canary-7d1f"
    settings = load(environment={"DERIBIT_CLIENT_SECRET": secret}, folder=tmp_path).settings
    assert secret not in repr(settings) and secret not in shown(settings, "deribit_client_secret")
    assert settings.deribit_client_secret.get_secret_value() == secret


def test_defaults_are_safe() -> None:
    settings = Settings()
    assert settings.dry_run and settings.deribit_env == "local" and settings.local_btc == Decimal(2)
