"""The ranking of a sweep's sets, and what is said of the best."""

from __future__ import annotations

import numpy as np
import pytest

from optionwriter.core.report.ranking import doubts, ranked, settings_of, trials_of, varied_keys, verdict
from optionwriter.core.report.run import MetricRow, RunSpec


def spec(seed: int = 1, **config: object) -> RunSpec:
    return RunSpec("a", "synthetic", "income", ("BTC",), 0, 1, seed, config)


def trial(run: int, sharpe: float | None, error: float | None = 0.5, fall: float = 0.1):
    rows = [MetricRow("own", "USD", "sharpe", sharpe, error), MetricRow("own", "USD", "max_drawdown", fall)]
    (found,) = trials_of(run, "event", {}, [*rows, MetricRow("own", "BTC", "sharpe", 99.0)])
    return found


def test_higher_is_better_or_lower_and_the_unknown_stands_last() -> None:
    trials = [
        trial(1, 0.5, fall=0.3),
        trial(2, None, fall=0.1),
        trial(3, 2.0, fall=0.2),
        trial(4, 0.5, fall=0.1),
    ]
    assert [one.run_id for one in ranked(trials, "sharpe")] == [3, 1, 4, 2]
    assert [one.run_id for one in ranked(trials, "max_drawdown")] == [2, 4, 3, 1]


def test_what_was_varied_is_found_in_the_specs() -> None:
    one = spec(changes={"gates.delta_max": 0.2, "min_score": 0.1}, step_minutes=60)
    other = spec(2, changes={"gates.delta_max": 0.3, "min_score": 0.1}, step_minutes=60)
    assert varied_keys([one, other]) == ("seed", "gates.delta_max") and varied_keys([one]) == ()
    assert varied_keys([one, spec(step_minutes=60)]) == ("gates.delta_max", "min_score")
    assert settings_of(other)["gates.delta_max"] == 0.3


def test_the_best_of_many_is_doubted_more_than_the_only_one() -> None:
    alone = verdict([trial(1, 1.0)])
    assert (alone.trials, alone.best, alone.by_chance) == (1, 1, 0.0)
    assert alone.probability == pytest.approx(0.97725, abs=1e-5)  # two standard errors
    many = verdict([trial(run, run / 10) for run in range(1, 11)])
    # Spread of 0.1 .. 1.0 is 0.30277; the best of 10 by chance: (1 - γ)·1.28155 + γ·1.78928 times that.
    assert many.by_chance == pytest.approx(0.30277 * (0.42278 * 1.28155 + 0.57722 * 1.78928), rel=1e-3)
    assert many.best == 10 and many.probability is not None and alone.probability is not None
    assert many.probability < alone.probability
    lost = verdict([trial(run, run / 10) for run in range(1, 11)], tried=40)
    assert lost.trials == 40 and lost.probability is not None and lost.probability < many.probability


def test_likeness_takes_trials_off_and_both_answers_are_said() -> None:
    trials = [trial(run, run / 10, 0.5) for run in range(1, 11)]
    rng = np.random.default_rng(7)
    common = rng.normal(size=400)
    alike = [tuple((common + 0.5 * rng.normal(size=400)).tolist()) for _ in trials]
    found = verdict(trials, returns=alike)
    assert found.compared == 10 and found.correlation == pytest.approx(1 / 1.25, abs=0.03)
    assert found.effective == pytest.approx(found.correlation + (1 - found.correlation) * 10)
    assert found.by_chance_effective is not None and found.by_chance is not None
    assert found.by_chance_effective < found.by_chance
    assert found.probability is not None and found.probability_effective is not None
    assert found.probability < found.probability_effective
    said = " ".join(doubts(found, trials, "sharpe"))
    assert f"{found.probability:.1%}, all 10 taken as independent" in said
    assert f"Effective number of trials: {found.effective:.1f}" in said
    assert f"{found.probability_effective:.1%} (generous)" in said
    bare = verdict(trials)
    assert bare.effective is bare.probability_effective is None and bare.probability == found.probability
    assert "Effective" not in " ".join(doubts(bare, trials, "sharpe"))


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert verdict([]).best is None and verdict([trial(1, None)]).sharpe is None
    assert verdict([trial(1, 1.0, None), trial(2, 0.5)]).probability is None
