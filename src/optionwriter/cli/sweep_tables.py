"""What a sweep says: the ranking, a table of two axes, and how far the best may be trusted."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from optionwriter.adapters.store.runs.store import SqlRunStore
from optionwriter.cli.output import UserError, out, print_json
from optionwriter.core.report.decisions import plain
from optionwriter.core.report.ranking import (
    BESIDE,
    LOWER_IS_BETTER,
    SHARPE,
    Trial,
    Verdict,
    doubts,
    ranked,
    said,
    settings_of,
    short_keys,
    trials_of,
    varied_keys,
    verdict,
)
from optionwriter.core.report.run import USD, Plain, RunState, RunStatus
from optionwriter.services.sweep import sets_of

_MOST_COLUMNS = 12  # of a table of two axes
_SHADES = ("red", "yellow", "green")


@dataclass(frozen=True, slots=True)
class Shown:
    """What to rank by, in which currency, and how many rows."""

    by: str
    currency: str
    top: int


def check_export(path: Path) -> None:
    """Tries the file that the sets are to end in, before any of them runs. Errors: UserError."""
    if path.suffix != ".csv":
        raise UserError(f"--export {path.name}: end the file's name with .csv")
    if not path.absolute().parent.is_dir():
        raise UserError(f"--export {path}: there is no folder {path.parent}")
    try:
        is_new = not path.exists()
        path.open("a").close()
        if is_new:
            path.unlink()
    except OSError as error:
        raise UserError(f"--export {path} can't be written ({error.strerror}): name another file") from None


def tell(store: SqlRunStore, group: str, shown: Shown, export: Path | None, json: bool) -> None:
    """Prints the sweep as it stands, then writes the file.

    Errors: UserError for a metric that no set has, or (once all is printed) a file that can't be written.
    """
    sets = sets_of(store, group)
    keys = varied_keys([one.spec for one in sets])
    finished = [one for one in sets if one.status is RunStatus.FINISHED]
    trials = [trial for one in finished for trial in _trials(store, one, keys, shown.currency)]
    if trials and not any(shown.by in one.metrics for one in trials):
        known = sorted({name for one in trials for name in one.metrics})
        raise UserError(
            f"--by {shown.by!r} is no metric in {shown.currency}: choose from {', '.join(known) or 'none'}"
        )
    order = ranked(trials, shown.by)
    failed = [one for one in sets if one.status is RunStatus.FAILED]
    kept = store.returns(group) if shown.currency == USD else {}
    daily = (one for styles in kept.values() for one in styles.values())
    found = verdict(trials, len(trials) + len(failed), daily)
    if json:
        print_json(_plain(group, sets, order, found, failed, shown))
    else:
        _print(group, order, keys, found, failed, shown)
    if export is not None:
        _write(export, order, keys)
        if not json:
            out.print(f"{len(order)} sets are in {export}", markup=False)


def _print(
    group: str,
    order: Sequence[Trial],
    keys: Sequence[str],
    found: Verdict,
    failed: Sequence[RunState],
    shown: Shown,
) -> None:
    if not order:
        out.print(
            f"Sweep {group}: no set has finished yet (optionwriter worker runs queued ones)", soft_wrap=True
        )
    else:
        out.print(_ranking(order[: shown.top], keys, shown.by))
        if (grid := _grid(order, keys, shown.by)) is not None:
            out.print(grid)
        for line in doubts(found, order, shown.by, shown.currency):
            out.print(line, markup=False, soft_wrap=True)
    for one in failed:
        out.print(f"run {one.id} {one.spec.name}: failed: {one.error}", markup=False, soft_wrap=True)


def _trials(store: SqlRunStore, one: RunState, keys: Sequence[str], currency: str) -> tuple[Trial, ...]:
    own = settings_of(one.spec)
    return trials_of(
        one.id, one.spec.driver, {key: own.get(key) for key in keys}, store.metrics(one.id), currency
    )


def _ranking(order: Sequence[Trial], keys: Sequence[str], by: str) -> Table:
    table = Table(title=f"by {by.replace('_', ' ')}", box=None, header_style="bold", title_justify="left")
    styles = len({one.exit_style for one in order}) > 1
    drivers = len({one.driver for one in order}) > 1
    names = tuple(dict.fromkeys((by, *BESIDE)))
    for head in (
        "",
        "run",
        *(["exit style"] if styles else []),
        *(["driver"] if drivers else []),
        *short_keys(keys),
    ):
        table.add_column(head, justify="left" if head in ("exit style", "driver") else "right")
    for head in names:
        table.add_column(head.replace("_", " "), justify="right")
    for place, one in enumerate(order, 1):
        told = [
            str(place),
            str(one.run_id),
            *([one.exit_style] if styles else []),
            *([one.driver] if drivers else []),
        ]
        table.add_row(
            *told, *(said(one.varied.get(key)) for key in keys), *(_number(one, name) for name in names)
        )
    return table


def _number(one: Trial, name: str) -> str:
    """A metric as short as it can be read; the standard error beside the Sharpe ratio."""
    value, error = one.value(name), one.error(name)
    if value is None:
        return "—"
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text}±{error:.1f}" if name == SHARPE and error is not None else text


def _grid(order: Sequence[Trial], keys: Sequence[str], by: str) -> Table | None:
    """The metric by the two axes, shaded from worst to best; None where there are not two, or too many values."""
    if len(keys) != 2 or len({one.exit_style for one in order}) > 1:
        return None
    cells = {(said(one.varied.get(keys[0])), said(one.varied.get(keys[1]))): one for one in reversed(order)}
    across = sorted({one for _, one in cells}, key=_by_size)
    down = sorted({one for one, _ in cells}, key=_by_size)
    if len(across) > _MOST_COLUMNS or len(cells) < 2 or len(cells) < len(across) * len(down) / 2:
        return None
    values = [value for one in order if (value := one.value(by)) is not None]
    table = Table(
        title=f"{by.replace('_', ' ')}: {keys[0]} down, {keys[1]} across", box=None, header_style="bold",
        title_justify="left",
    )  # fmt: skip
    for head in ("", *across):
        table.add_column(head, justify="right")
    for left in down:
        table.add_row(Text(left, "bold"), *(_cell(cells.get((left, one)), by, values) for one in across))
    return table


def _cell(one: Trial | None, by: str, values: Sequence[float]) -> Text:
    value = one.value(by) if one is not None else None
    if value is None:
        return Text("—")
    low, high = min(values), max(values)
    share = (value - low) / (high - low) if high > low else 1.0
    shade = _SHADES[min(2, int(3 * (1.0 - share if by in LOWER_IS_BETTER else share)))]
    return Text(f"{value:,.2f}" if abs(value) >= 100 else f"{value:,.3g}", shade)


def _by_size(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text


def _exact(value: Plain) -> str:
    return repr(value) if isinstance(value, float) else said(value)


def _plain(
    group: str,
    sets: Sequence[RunState],
    order: Sequence[Trial],
    found: Verdict,
    failed: Sequence[RunState],
    shown: Shown,
) -> dict[str, Any]:
    counts = {str(status): sum(one.status is status for one in sets) for status in RunStatus}
    return {
        "sweep": group,
        "by": shown.by,
        "currency": shown.currency,
        "sets": counts,
        "ranking": [_row(one) for one in order],
        "verdict": plain(found),
        "failed": [{"run": one.id, "name": one.spec.name, "error": one.error} for one in failed],
    }


def _row(one: Trial) -> Mapping[str, Any]:
    metrics = {name: {"value": one.value(name), "error": one.error(name)} for name in sorted(one.metrics)}
    return {"run": one.run_id, "exit_style": one.exit_style, "driver": one.driver, "varied": plain(one.varied),
            "metrics": metrics}  # fmt: skip


def _write(path: Path, order: Sequence[Trial], keys: Sequence[str]) -> None:
    names = sorted({name for one in order for name in one.metrics})
    heads = [head for name in names for head in (name, f"{name}_error")]
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["run", "exit_style", "driver", *keys, *heads])
            for one in order:
                cells = [value for name in names for value in (one.value(name), one.error(name))]
                told = [_exact(one.varied.get(key)) for key in keys]
                writer.writerow([one.run_id, one.exit_style, one.driver, *told, *cells])
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}") from None
