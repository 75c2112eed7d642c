"""Repetition: what a run that was run once more gave otherwise, and what had changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from optionwriter.core.report.decisions import plain
from optionwriter.core.report.run import ChainRow, MetricRow, Provenance, RunResult


def otherwise(
    then: Provenance, metrics: Sequence[MetricRow], chains: Sequence[ChainRow] | None, again: RunResult
) -> list[str]:
    """What differs, a line each, the causes first; none when all that was stored is the same.

    `chains` is None for a run that kept its figures alone (a sweep's set): then only those are compared.
    """
    lines = list(_metrics(metrics, again.metrics, chains is not None))
    if chains is not None and _ordered(chains) != _ordered(again.chains):
        lines.append("the positions differ: see optionwriter runs export")
    return [*_causes(then, again.provenance), *lines] if lines else []


def _causes(then: Provenance, now: Provenance) -> Iterator[str]:
    for name, old, new in (
        ("the code", then.code_version, now.code_version),
        ("the data", then.data_fingerprint, now.data_fingerprint),
    ):
        if old != new:
            yield f"{name} changed: {old} then, {new} now"
    if then.settings:  # runs from before they were kept have none
        for key in sorted({*then.settings, *now.settings}):
            was, is_now = (_said(one, key) for one in (then.settings, now.settings))
            if was != is_now:
                yield f"the settings changed: {key}: {was} then, {is_now} now"


def _said(settings: Mapping[str, object], key: str) -> str:
    return str(settings[key]) if key in settings else "absent"


def _metrics(then: Sequence[MetricRow], now: Sequence[MetricRow], whole: bool) -> Iterator[str]:
    old, new = (
        {(one.exit_style, one.currency, one.name): _known(one) for one in rows} for rows in (then, now)
    )
    for key in sorted({*old, *new} if whole else old):
        was, is_now = old.get(key), new.get(key)
        if was != is_now:
            yield f"{' '.join(key)}: {_shown(was)} then, {_shown(is_now)} now"


def _known(one: MetricRow) -> tuple[float | None, float | None]:
    """Value and error as a store keeps them: what is no finite number is None."""
    value, error = plain(one.value), plain(one.error)
    assert value is None or isinstance(value, (int, float))
    assert error is None or isinstance(error, (int, float))
    return value, error


def _shown(pair: tuple[float | None, float | None] | None) -> str:
    if pair is None:
        return "absent"
    value, error = pair
    return f"{'unknown' if value is None else value}{'' if error is None else f' ± {error}'}"


def _ordered(chains: Sequence[ChainRow]) -> object:
    return [plain(one) for one in sorted(chains, key=lambda one: one.exit_style)]
