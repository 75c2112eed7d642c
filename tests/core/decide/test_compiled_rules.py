"""The compiled and the plain rules give identical answers: 100,000 random inputs, broken numbers among them."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from optionwriter.core.decide.menu import GATE_CODE

ROOT = Path(__file__).parents[3]
COUNT = 100_000
SAFEGUARDS = (
    "roll_strike",
    "roll_expiry",
    "roll_dte",
    "roll_cost",
    "roll_credit",
    "roll_spread",
    "roll_cooldown",
)


def inputs() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Columns for a candidate and a holding: mostly sane, a tenth of the rows with a broken number somewhere."""
    rng = np.random.default_rng(20260105)
    n = COUNT
    bid = np.round(rng.uniform(0, 0.03, n), 4)
    columns = np.column_stack(
        [
            rng.integers(0, 2, n),  # call
            rng.integers(0, 2, n),  # inverse
            np.round(rng.uniform(60_000, 140_000, n), -2),  # strike
            rng.uniform(90_000, 110_000, n),  # forward
            rng.uniform(90_000, 110_000, n),  # index
            rng.uniform(-1, 40, n),  # days
            rng.uniform(0.1, 1.0, n),  # iv
            rng.uniform(0.1, 1.0, n),  # realised
            rng.uniform(0, 1, n),  # delta
            bid,
            bid + np.round(rng.uniform(0, 0.004, n), 4),  # ask
            rng.uniform(0, 20, n),  # bid size
            rng.uniform(0, 500, n),  # open interest
            np.round(rng.uniform(0.0005, 0.03, n), 4),  # entry price
            rng.uniform(0, 1, n),  # risk
            rng.uniform(0.5, 1.1, n),  # covered
            rng.uniform(0, 0.3, n),  # drawdown
            rng.uniform(0, 0.3, n),  # its maximum
            rng.uniform(0, 1, n),  # allocation
            rng.uniform(0, 1, n),  # its target
        ]
    )
    linear = columns[:, 1] == 0
    columns[np.ix_(linear, [9, 10, 13])] *= 100_000
    broken = rng.random(n) < 0.1
    places = rng.integers(2, 14, n)
    bad = np.array([math.nan, math.inf, -math.inf, 0.0, -1.0, 1e300, 1e-300, -0.0])
    columns[np.flatnonzero(broken), places[broken]] = bad[rng.integers(0, len(bad), int(broken.sum()))]
    odd = np.flatnonzero(rng.random(n) < 0.2)
    columns[odd, rng.integers(14, 20, len(odd))] = bad[rng.integers(0, len(bad), len(odd))]
    return columns


def answers(rows: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> list[list[float]]:
    """What the rules say of every row."""
    from optionwriter.core.decide.managing import Holding, ManageParams, manage
    from optionwriter.core.decide.rolling import Roll, RollParams, roll_gate
    from optionwriter.core.decide.rules import Candidate, GateParams, gate
    from optionwriter.core.decide.scoring import ScoreParams, Tilt, score, total

    gates = GateParams(delta_min=0.02, delta_max=0.9, otm_min=-0.3, spread_max=0.8, linear_spread_max=0.7)
    weights, management = ScoreParams(), ManageParams()
    before_expiry = ManageParams(roll_days=3.0, roll_otm=0.05)
    safeguards = RollParams(max_debit=0.05, credit_only=True, min_credit=0.02, max_dte=30.0)
    found = []
    for row in rows.tolist():
        call, inverse = bool(row[0]), bool(row[1])
        candidate = Candidate(call, inverse, *row[2:13])
        holding = Holding(call, inverse, row[2], row[4], row[5], row[6], row[7], row[8], row[13], row[10])
        parts = score(candidate, Tilt(*row[14:20]), weights)
        near = manage(holding, before_expiry)
        roll = Roll(call, row[2], row[3], row[5], row[17] * 20, row[16] - 0.1, row[18], row[15] * 12)
        found.append([
            *gate(candidate, gates), *manage(holding, management), *near, *roll_gate(roll, safeguards),
            *parts, total(parts),
        ])  # fmt: skip
    return found


@pytest.mark.slow
def test_plain_and_compiled_agree() -> None:
    script = (
        "import json, sys; from tests.core.decide.test_compiled_rules import answers, inputs; "
        "json.dump(answers(inputs()), sys.stdout)"
    )
    environment = {
        **os.environ,
        "NUMBA_DISABLE_JIT": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }
    plain = json.loads(
        subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
    )
    ours = answers(inputs())
    assert len(plain) == len(ours) == COUNT
    gates = {row[0] for row in ours}
    verdicts = {row[4] for row in ours}
    assert gates == set(range(10)) and verdicts == set(range(4)), (
        "the inputs must reach every gate and verdict"
    )
    assert {row[8] for row in ours} == set(range(4)) and any(row[9] == 9 for row in ours)
    assert {row[12] for row in ours} == {0, *(GATE_CODE[name] for name in GATE_CODE if name in SAFEGUARDS)}
    for penalty in range(23, 28):
        parts = [row[penalty] for row in ours]
        assert min(parts) < 0 and parts.count(0.0) > 100, "and each penalty, at work and idle"
    mine, theirs = np.array(ours, dtype=np.float64), np.array(plain, dtype=np.float64)
    whole = [0, 4, 5, 12]
    assert mine.shape == theirs.shape and np.array_equal(mine[:, whole], theirs[:, whole])
    with np.errstate(invalid="ignore"):  # one infinity less another
        near = np.abs(mine - theirs) <= np.maximum(1e-12, 1e-12 * np.abs(theirs))
    apart = np.argwhere(~(near & np.isfinite(theirs)) & (mine != theirs))  # a NaN is equal to nothing
    assert not len(apart), [(row, column, ours[row][column], plain[row][column]) for row, column in apart[:5]]
