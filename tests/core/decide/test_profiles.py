"""Profiles: read from their file, refused by name where they make no sense."""

from __future__ import annotations

import tomllib

import pytest

from optionwriter.bootstrap.parts import config_path
from optionwriter.core.decide.menu import Metrics
from optionwriter.core.decide.profiles import Profile, ProfileError, read_profiles

NAN = float("nan")


def metrics(delta: float, dte: float) -> Metrics:
    return Metrics(delta, dte, 100.0, 1.1, 5.0, 0.05)


def test_the_shipped_profiles_leave_no_gap_from_safe_to_bold() -> None:
    found = read_profiles(tomllib.loads(config_path("profiles.toml").read_text()))
    assert [one.name for one in found] == ["conservative", "moderate", "aggressive"]
    assert all(one.enabled and one.max_legs == 2 for one in found)
    assert (min(one.dte_min for one in found), max(one.dte_max for one in found)) == (1.0, 21.0)
    assert [one.delta_max for one in found][:2] == [one.delta_min for one in found][1:]


def test_what_a_profile_wants_has_both_ends_and_no_nan() -> None:
    profile = Profile("p", dte_min=3, dte_max=7, delta_min=0.1, delta_max=0.2)
    assert (
        profile.wants(metrics(0.1, 3)) and profile.wants(metrics(0.2, 7)) and profile.wants(metrics(-0.15, 5))
    )
    for delta, dte in ((0.0999, 5), (0.2001, 5), (0.15, 2.99), (0.15, 7.01), (NAN, 5), (0.15, NAN)):
        assert not profile.wants(metrics(delta, dte))


def test_a_disabled_profile_is_left_out_and_defaults_fill_the_rest() -> None:
    (only,) = read_profiles({"a": {"enabled": False}, "b": {"max_legs": 3}})
    assert only == Profile("b", max_legs=3)


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"a": {"delta_mx": 0.3}}, r"a\.delta_mx is unknown: did you mean delta_max\?"),
        ({"a": {"name": "x"}}, r"a\.name is unknown"),
        ({"a": 3}, "a profile is a table"),
        ({"a": {"enabled": "yes"}}, "neither true nor false"),
        ({"a": {"max_legs": 1.5}}, "no whole number"),
        ({"a": {"max_legs": 0}}, "at least 1"),
        ({"a": {"dte_min": "3"}}, "no number"),
        ({"a": {"dte_min": True}}, "no number"),
        ({"a": {"delta_min": NAN}}, "no number"),
        ({"a": {"dte_max": 30}}, "within 1 to 21"),
        ({"a": {"dte_min": 0.5}}, "within 1 to 21"),
        ({"a": {"dte_min": 9, "dte_max": 8}}, "must rise"),
        ({"a": {"delta_min": 0.4, "delta_max": 0.3}}, "must rise"),
        ({"a": {"enabled": False}}, "no profile is enabled"),
        ({}, "no profile is enabled"),
    ],
)
def test_profiles_that_make_no_sense_are_refused(tables: dict[str, object], says: str) -> None:
    with pytest.raises(ProfileError, match=says):
        read_profiles(tables)
