"""Ranking: the sets of a sweep, best first by one metric, and what that best is worth after so many trials.

Keeps: a set in one exit style is a trial, and all of them count; sets without the metric stand last and are not left
out; ties keep the order of their runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from optionwriter.core.report.deflated import deflated_sharpe, effective_trials, expected_best, spread_of
from optionwriter.core.report.likeness import mean_correlation
from optionwriter.core.report.run import USD, MetricRow, Plain, RunSpec

SHARPE = "sharpe"
LOWER_IS_BETTER = frozenset(
    {
        "max_drawdown", "max_drawdown_amount", "max_drawdown_days", "volatility", "gross_loss", "fees", "given_up",
        "rolls", "settlements_in_the_money", "turnover",
    }
)  # fmt: skip
BESIDE = (SHARPE, "net_profit", "over_holding", "max_drawdown", "trades")


@dataclass(frozen=True, slots=True)
class Trial:
    """A finished set in one exit style: what was varied in it, and its metrics in one currency by name."""

    run_id: int
    exit_style: str
    driver: str
    varied: Mapping[str, Plain]
    metrics: Mapping[str, MetricRow]

    def value(self, name: str) -> float | None:
        """None where it can't be known."""
        found = self.metrics.get(name)
        return None if found is None or found.value is None or not math.isfinite(found.value) else found.value

    def error(self, name: str) -> float | None:
        """The standard error; None where there is none."""
        found = self.metrics.get(name)
        return None if found is None or found.error is None or not math.isfinite(found.error) else found.error


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the best Sharpe ratio is worth: `by_chance` is what the best of so many would show without any skill.

    `by_chance` and `probability` take all trials as independent, the cautious way; those `_effective` take as many
    as the trials' likeness leaves: `correlation` is the mean one of the pairs of `compared` trials' daily returns over
    holding. None where no returns are kept.
    """

    trials: int
    best: int | None  # run id of the highest ratio
    sharpe: float | None
    error: float | None
    by_chance: float | None
    probability: float | None  # deflated Sharpe ratio: that the true one is above 0
    compared: int = 0
    correlation: float | None = None
    effective: float | None = None
    by_chance_effective: float | None = None
    probability_effective: float | None = None


def settings_of(spec: RunSpec) -> dict[str, Plain]:
    """All that a set can vary, flat: its config, the strategy's changes by their own names, seed, strategy."""
    config = dict(spec.config)
    changes = config.pop("changes", None)
    flat: dict[str, Plain] = {"strategy": spec.strategy, "seed": spec.seed, **config}
    return {**flat, **(dict(changes) if isinstance(changes, Mapping) else {})}


def varied_keys(specs: Sequence[RunSpec]) -> tuple[str, ...]:
    """The names of what is not the same in all of them, in the order in which the specs name them."""
    told = [settings_of(one) for one in specs]
    names = dict.fromkeys(name for one in told for name in one)
    return tuple(name for name in names if len({_text(one.get(name)) for one in told}) > 1)


def _text(value: Plain) -> str:
    return json.dumps(value, sort_keys=True)


def trials_of(
    run_id: int, driver: str, varied: Mapping[str, Plain], rows: Iterable[MetricRow], currency: str = USD
) -> tuple[Trial, ...]:
    """A run's trials, one an exit style."""
    by_style: dict[str, dict[str, MetricRow]] = {}
    for one in rows:
        found = by_style.setdefault(one.exit_style, {})
        if one.currency == currency:
            found[one.name] = one
    return tuple(Trial(run_id, style, driver, varied, found) for style, found in sorted(by_style.items()))


def ranked(trials: Iterable[Trial], by: str) -> tuple[Trial, ...]:
    """Best first; those without the metric last."""
    sign = 1.0 if by in LOWER_IS_BETTER else -1.0

    def place(one: Trial) -> tuple[bool, float, int, str]:
        value = one.value(by)
        return value is None, 0.0 if value is None else sign * value, one.run_id, one.exit_style

    return tuple(sorted(trials, key=place))


def verdict(
    trials: Sequence[Trial], tried: int | None = None, returns: Iterable[tuple[float, ...]] = ()
) -> Verdict:
    """Of the highest Sharpe ratio among `trials`; `tried` counts those too that left no result.

    `returns`: daily ones over holding, of as many trials as keep them.
    """
    count = len(trials) if tried is None else tried
    top = ranked(trials, SHARPE)
    best = top[0] if top else None
    value = best.value(SHARPE) if best else None
    if best is None or value is None:
        return Verdict(count, None, None, None, None, None)
    error, spread = best.error(SHARPE), spread_of([one.value(SHARPE) for one in trials])
    if count == 1:
        spread = 0.0
    chance = expected_best(count, spread)
    noise = math.nan if error is None else error
    sure = deflated_sharpe(value, noise, count, spread)
    correlation, compared = mean_correlation(returns)
    effective = effective_trials(count, correlation)
    return Verdict(
        count, best.run_id, value, error, _known(chance), _known(sure), compared, _known(correlation),
        _known(effective), _known(expected_best(effective, spread)),
        _known(deflated_sharpe(value, noise, effective, spread)),
    )  # fmt: skip


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def doubts(found: Verdict, trials: Sequence[Trial], by: str, currency: str = USD) -> Iterator[str]:
    """How far the best may be trusted, in sentences."""
    styles = len({one.exit_style for one in trials})
    yield f"{found.trials} sets were tried{' (a set in one exit style is one)' if styles > 1 else ''}."
    if (different := len({one.value(by) for one in trials})) < len(trials):
        yield f"They gave {different} different results: some of what was varied did not matter here."
    if bare := sum(by not in one.metrics for one in trials):
        yield (
            f"{bare} of them keep only the compiled driver's figures and have no {by.replace('_', ' ')}: they stand "
            "last whatever it is. A new sweep by it has it of all."
        )
    if found.sharpe is None or found.by_chance is None:
        yield "No Sharpe ratio is known of enough sets to say what the best is worth: take a longer period."
        return
    error = "unknown" if found.error is None else f"{found.error:.2f}"
    yield (
        f"The best Sharpe ratio ({currency}) is {found.sharpe:.2f} ± {error}, run {found.best}; without any "
        f"skill the best of so many would show {found.by_chance:.2f}, were they independent."
    )
    if found.probability is None:
        yield "Deflated Sharpe ratio, the chance that the true one is above 0: can't be known: the period is too short."
        return
    yield (
        f"Deflated Sharpe ratio, the chance that the true one is above 0: {found.probability:.1%}, all {found.trials} "
        "taken as independent (cautious)."
    )
    if found.effective is None or found.probability_effective is None or found.by_chance_effective is None:
        return
    yield (
        f"Effective number of trials: {found.effective:.1f}, for the daily returns over holding of {found.compared} "
        f"of them correlate by {found.correlation:.2f} at the mean. By that number chance would show "
        f"{found.by_chance_effective:.2f}, and the deflated Sharpe ratio is {found.probability_effective:.1%} "
        "(generous)."
    )


def short_keys(keys: Sequence[str]) -> tuple[str, ...]:
    """Keys without their tables' names, where that leaves them different."""
    ends = [one.rpartition(".")[2] for one in keys]
    return tuple(end if ends.count(end) == 1 else key for end, key in zip(ends, keys, strict=True))


def said(value: Plain) -> str:
    """A setting as people read it."""
    if value is None:
        return "—"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
