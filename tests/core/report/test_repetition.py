"""What a repetition says: the same, or the causes and then each figure that differs."""

import math

from optionwriter.core.report.repetition import otherwise
from optionwriter.core.report.run import ChainRow, MetricRow, Provenance, RunResult

NET = MetricRow("own", "BTC", "net_profit", 1.5)
SHARPE = MetricRow("own", "BTC", "sharpe", 2.0, 0.5)
CHAIN = ChainRow("own", "c1", "income", "covered_call", "BTC", "call", "BTC", 1, 2, "0.1", "9", {"rolls": 0})
THEN = Provenance("data", "code", {"strategy.size_share": "1", "limits.max_call_chains": 1})


def result(*metrics: MetricRow, chains: tuple[ChainRow, ...] = (CHAIN,), now: Provenance = THEN) -> RunResult:
    return RunResult(now, metrics, chains)


def test_the_same_is_nothing_whatever_else_changed() -> None:
    other = Provenance("data", "newer", {})
    assert otherwise(THEN, [NET, SHARPE], [CHAIN], result(SHARPE, NET, now=other)) == []
    unknown = MetricRow("own", "BTC", "calmar", math.nan, math.nan)
    assert otherwise(THEN, [MetricRow("own", "BTC", "calmar", None)], [CHAIN], result(unknown)) == []


def test_an_edited_setting_is_named_before_the_figures() -> None:
    now = Provenance("data", "code", {"strategy.size_share": "0.4", "limits.max_chains_total": 5})
    assert otherwise(THEN, [NET], [CHAIN], result(MetricRow("own", "BTC", "net_profit", 1.0), now=now)) == [
        "the settings changed: limits.max_call_chains: 1 then, absent now",
        "the settings changed: limits.max_chains_total: absent then, 5 now",
        "the settings changed: strategy.size_share: 1 then, 0.4 now",
        "own BTC net_profit: 1.5 then, 1.0 now",
    ]


def test_a_figure_that_is_gone_or_new_or_less_sure_is_a_difference() -> None:
    assert otherwise(THEN, [NET, SHARPE], [CHAIN], result(NET)) == [
        "own BTC sharpe: 2.0 ± 0.5 then, absent now"
    ]
    assert otherwise(THEN, [NET], [CHAIN], result(NET, SHARPE)) == [
        "own BTC sharpe: absent then, 2.0 ± 0.5 now"
    ]
    surer = MetricRow("own", "BTC", "sharpe", 2.0, 0.25)
    assert otherwise(THEN, [SHARPE], [CHAIN], result(surer)) == [
        "own BTC sharpe: 2.0 ± 0.5 then, 2.0 ± 0.25 now"
    ]
    assert otherwise(THEN, [NET], [], result(NET)) == ["the positions differ: see optionwriter runs export"]


def test_of_a_set_that_kept_its_figures_alone_only_those_are_compared() -> None:
    assert otherwise(THEN, [NET], None, result(NET, SHARPE)) == []
    assert otherwise(THEN, [NET], None, result(SHARPE)) == ["own BTC net_profit: 1.5 then, absent now"]
