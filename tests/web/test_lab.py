"""The Lab's pages over a real run database: what they say, and that nothing in them runs or comes from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from typer.testing import CliRunner

from optionwriter.bootstrap.backtest_config import BacktestConfig
from optionwriter.bootstrap.second_pass import NAMES, PREFIX
from optionwriter.cli.main import app as cli
from optionwriter.core.report.ranking import Trial, verdict
from optionwriter.core.report.run import ChainRow, MetricRow, RunState, RunStatus
from optionwriter.web.format import percent, places
from optionwriter.web.lab.asked import FIRST, form
from optionwriter.web.lab.figures import name_of, summaries, text_of
from optionwriter.web.lab.frame import HIGH, LEFT, RIGHT, TOP, WIDE
from optionwriter.web.lab.glossary import FIGURES
from optionwriter.web.lab.price_chart import price_charts
from optionwriter.web.lab.report import picture
from optionwriter.web.lab.view import left, position
from optionwriter.web.pages import Pages
from optionwriter.web.words import label
from tests.web.browsing import BEARER, NOW_MS, Page, ask
from tests.web.laboratory import SHARPES, House, swept

HOSTILE = "<script>alert(1)</script>\"'><img src=//evil.example onerror=x>"


def page(house: House, path: str, code: int = 200) -> Page:
    reply = ask(house.app, path, headers={"Accept": "text/html", **BEARER})
    assert reply.status_code == code and reply.headers["content-type"].startswith("text/html"), reply.text
    found = Page(reply.text)
    found.assert_keeps_the_policy()
    return found


def with_error(value: float | None, error: float | None) -> str:
    return places(value) if error is None else f"{places(value)} ± {places(error)}"


def test_the_form_asks_for_everything_that_decides_and_says_what_it_means(house: House) -> None:
    seen = page(house, "/lab")
    asked = {attributes.get("data-config") for _, attributes in seen.tags} - {None}
    assert asked == set(BacktestConfig.model_fields)
    for field in BacktestConfig.model_fields.values():
        assert str(field.description) in seen.text
    options = {attributes.get("value") for tag, attributes in seen.tags if tag == "option"}
    folded = [name for group in form(house.lab.choices())["groups"] for name in group["fields"]]
    assert (
        len(BacktestConfig.model_fields) - len(folded) == len(FIRST) == 6
    )  # with name, source, strategy, period, coins
    assert {"ULTRA_SAFE", "CUSTOM", "synthetic", "sample", "income", "anchored", "realised"} <= options
    assert "Nothing waits" in seen.text and "No run of that kind yet" in seen.text


def test_the_list_tells_each_run_by_its_first_figures(done: House) -> None:
    seen = page(done, "/lab")
    told = done.ask("")["runs"]
    assert {"run-1", "run-2"} <= seen.ids()
    for run in told:
        for row in run["headline"]:
            assert percent(row["total_return"], 2, True) in seen.text
            assert percent(row["max_drawdown"], 2) in seen.text
            assert with_error(row["sharpe"], row["sharpe_error"]) in seen.text
    assert "run-2" not in page(done, "/lab?before=2").ids()
    assert "run-1" not in page(done, "/lab?status=failed").ids()
    assert "run-1" in page(done, "/lab?status=&source=synthetic").ids()


def test_the_queue_shows_what_runs_and_what_waits(house: House) -> None:
    first, second = house.queue(), house.queue(name=HOSTILE)
    assert "Waiting for a worker" in page(house, "/lab").text
    store = house.lab.store
    store.claim("w", NOW_MS - 30_000, 60_000)
    store.beat(first, "w", NOW_MS, 60_000, 0.25, "own: day 7")
    seen = page(house, "/lab/parts")
    assert {f"queued-{first}", f"queued-{second}"} <= seen.ids()
    assert "25% · own: day 7 · about 90 s left" in seen.text  # 30 s for a quarter
    assert HOSTILE in seen.text and "Waiting for a worker" not in seen.text
    house.ask(f"/{first}/cancel", "POST")
    assert "stopping" in page(house, "/lab/parts").text


def test_nothing_is_said_of_the_time_left_before_something_is_done(house: House) -> None:
    house.queue()
    state: RunState = house.lab.store.get(1)
    assert left(state, NOW_MS) == ""


def test_a_run_is_shown_in_each_exit_style_and_currency(done: House) -> None:
    whole = done.ask("/1")
    for style in ("own", "hold_to_expiry"):
        seen = page(done, f"/lab/runs/1?exit_style={style}")
        units = {attributes.get("data-unit") for _, attributes in seen.tags} - {None}
        assert units == {one["currency"] for one in whole["metrics"]}
        metrics = {
            (one["currency"], one["name"]): one for one in whole["metrics"] if one["exit_style"] == style
        }
        assert with_error(metrics["USD", "sharpe"]["value"], metrics["USD", "sharpe"]["error"]) in seen.text
        erring = [metrics["USD", name] for name in ("sharpe", "sortino", "calmar")]
        assert any(one["error"] for one in erring)
        for one in erring:
            assert with_error(one["value"], one["error"]) in seen.text
        assert f"{places(metrics['USD', 'net_profit']['value'], 2, True)} USD" in seen.text
        assert f"{places(metrics['BTC', 'net_profit']['value'], 6, True)} BTC" in seen.text
        parts = [one for (_, name), one in metrics.items() if name.startswith("attributed_")]
        assert parts  # what no list of the page's names is shown all the same, in its unit
        for one in parts:
            digits = 2 if one["currency"] in ("USD", "USDC") else 6
            assert f"{places(one['value'], digits)} {one['currency']}" in seen.text
        mine = [one for one in whole["positions"] if one["exit_style"] == style]
        assert f"Positions {len(mine)}" in seen.text and mine
        for one in mine:
            assert one["detail"]["legs"][-1]["instrument"] in seen.text
    for note in whole["notes"]:
        assert note in seen.text


def test_two_runs_are_compared_side_by_side(done: House) -> None:
    seen = page(done, "/lab/diff?run=1&run=2")
    (row,) = (one for one in done.ask("/1/diff/2?exit_style=own")["metrics"]
              if (one["currency"], one["name"]) == ("USD", "net_profit"))  # fmt: skip
    for name in ("first", "second"):
        assert f"{places(row[name])} USD" in seen.text
    assert f"{places(row['change'], 2, True)} USD" in seen.text
    assert "choose exactly two" in page(done, "/lab/diff?run=1", 422).text


def test_a_sweep_is_one_row_of_the_list_with_its_best_sets(house: House) -> None:
    alone = house.queue()
    ids = swept(house)
    house.lab.store.cancel(alone, NOW_MS)
    seen = page(house, "/lab")
    assert "sweep" in seen.ids() and f"run-{alone}" in seen.ids()
    assert not {f"run-{one}" for one in ids.values()} & seen.ids()
    for said in ("6 runs", "4 sets were tried", "Deflated Sharpe ratio", f"run {ids[0.3]}", "2.40 ± 0.75"):
        assert said in seen.text
    assert "2 runs wait" in seen.text and f"queued-{ids[0.6]}" not in seen.ids()
    assert "run-1" not in page(house, "/lab?status=failed").ids()
    unfolded = page(house, "/lab?group=by+delta")
    assert {f"run-{one}" for one in ids.values()} <= unfolded.ids() and "sweep" not in unfolded.ids()
    pages = [page(house, f"/lab?limit=1{more}").ids() for more in ("", f"&before={ids[0.7]}")]
    assert "sweep" in pages[0] and f"run-{alone}" not in pages[0]
    assert "sweep" not in pages[1] and f"run-{alone}" in pages[1]  # its older runs don't fill pages


def test_a_sweep_is_ranked_by_any_of_its_figures(house: House) -> None:
    ids = swept(house, HOSTILE)
    group = quote(HOSTILE)

    def places(by: str) -> list[str]:
        seen = page(house, f"/lab/sweep?group={group}&by={by}")
        assert HOSTILE in seen.text and "its data are missing" in seen.text
        rows = (attributes.get("id") or "" for tag, attributes in seen.tags if tag == "tr")
        return [one.split("-")[2] for one in rows if one.startswith("ranking-table")]

    assert places("sharpe") == [str(ids[one]) for one in (0.3, 0.2, 0.4)]
    assert places("max_drawdown") == [str(ids[one]) for one in (0.2, 0.3, 0.4)]  # less is better
    seen = page(house, f"/lab/sweep?group={group}")
    assert "delta_max" in seen.text  # what was varied, by its short name
    found = verdict([Trial(1, "own", "event", {}, {"sharpe": MetricRow("own", "USD", "sharpe", one, 0.75)})
                     for one in SHARPES.values()], 4)  # fmt: skip
    assert found.by_chance is not None and f"would show {found.by_chance:.2f}" in seen.text
    days = np.sin(np.arange(30) * (1 + np.array([[*SHARPES]]).T))
    mean = (np.corrcoef(days).sum() - 3) / 6  # of 3 pairs, each twice
    assert f"Effective number of trials: {mean + (1 - mean) * 4:.1f}" in seen.text
    assert f"of 3 of them correlate by {mean:.2f}" in seen.text and "(generous)" in seen.text
    assert "no sweep" in page(house, "/lab/sweep?group=none", 404).text
    assert "by" in page(house, f"/lab/sweep?group={group}&by=luck", 422).text
    assert "2.40 ± 0.75" in page(house, f"/lab/sweep/parts?group={group}").text


def test_a_sweep_too_large_to_look_at_each_time_is_a_row_without_ranking(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept(house)
    monkeypatch.setattr("optionwriter.web.lab.sweep.MOST_FOLDED", 5)
    seen = page(house, "/lab")
    assert "6 runs" in seen.text and "sets were tried" not in seen.text
    assert "sets were tried" in page(house, "/lab/sweep?group=by+delta").text


def test_all_runs_of_a_sweep_are_stopped_at_once(house: House) -> None:
    ids = swept(house)
    store = house.lab.store
    store.claim("w", NOW_MS, 60_000)
    assert house.ask("/cancel", "POST", json={"group": "by delta"}) == {"group": "by delta", "runs": 2}
    assert store.get(ids[0.6]).cancel_requested and store.get(ids[0.7]).status is RunStatus.CANCELLED
    assert store.get(ids[0.2]).status is RunStatus.FINISHED
    assert "no group" in house.ask("/cancel", "POST", 404, json={"group": "none"})["error"]
    assert "group" in house.ask("/cancel", "POST", 422, json={})["error"]


def test_a_sweep_that_is_over_is_dropped_whole(house: House) -> None:
    swept(house)
    kept = house.queue(name="kept")
    store = house.lab.store
    busy = house.ask("?group=by+delta", "DELETE", 409)["error"]
    assert "2 queued" in busy and "cancel it first" in busy
    seen = page(house, "/lab")
    assert not [one for _, one in seen.tags if "data-delete-group" in one]
    house.ask("/cancel", "POST", json={"group": "by delta"})
    buttons = [one for _, one in page(house, "/lab").tags if "data-delete-group" in one]
    assert [(one["data-delete-group"], one["data-count"]) for one in buttons] == [("by delta", "6")]
    assert house.ask("?group=by+delta", "DELETE") == {"group": "by delta", "runs": 6}
    assert [one.id for one in store.list()] == [kept] and not store.figures("by delta", "USD", ["sharpe"])
    assert "no sweep" in house.ask("?group=by+delta", "DELETE", 404)["error"]
    for query in ("", "?group=", "?group=a&colour=red"):
        house.ask(query, "DELETE", 422)
    assert [one.id for one in store.list()] == [kept]


def test_what_is_not_there_or_not_over_is_a_page_with_words(house: House) -> None:
    assert "there is no run 9" in page(house, "/lab/runs/9", 404).text
    house.queue(name=HOSTILE)
    seen = page(house, "/lab/runs/1")
    assert "This run is queued" in seen.text and HOSTILE in seen.text
    assert "only a finished run" in page(house, "/lab/diff?run=1&run=1", 409).text
    assert "only a finished run" in house.ask("/1/download?format=html", code=409)["error"]


def test_the_report_is_one_file_without_scripts_the_same_from_both_sides(done: House, tmp_path: Path) -> None:
    reply = done.reply("/1/download?format=html")
    file = tmp_path / "report.html"
    told = CliRunner().invoke(cli, ["runs", "export", "1", str(file), "--data-dir", str(done.folder)])
    assert told.exit_code == 0 and file.read_text() == reply.text
    seen = Page(reply.text)
    assert not {tag for tag, _ in seen.tags} & {"script", "link", "img", "iframe", "a"}
    assert [tag for tag, _ in seen.tags].count("svg") == 4  # equity and price, in two exit styles
    whole = done.ask("/1")
    for one in whole["positions"]:
        assert one["detail"]["legs"][-1]["instrument"] in seen.text
    for one in whole["metrics"]:
        if one["name"] == "sharpe" and one["value"] is not None:
            assert places(one["value"]) in seen.text


def test_the_reports_text_is_text(house: House) -> None:
    run = house.queue(name=HOSTILE, config={"step_minutes": 1440})
    house.work()
    text = house.reply(f"/{run}/download?format=html").text
    assert "<script" not in text and "<img" not in text and HOSTILE in Page(text).text


def test_the_picture_spans_its_frame() -> None:
    made = picture(
        {"at_ms": [0, 50, 100], "equity_usd": [100.0, 120.0, 80.0], "holding_usd": [100.0, 100.0, 100.0]}
    )
    assert made is not None
    points = [tuple(map(float, one.split(","))) for one in made["lines"]["equity"].split()]
    assert [x for x, _ in points] == [LEFT, (LEFT + WIDE - RIGHT) / 2, WIDE - RIGHT]
    (_, first), (_, top), (_, bottom) = points
    assert TOP < top < first < bottom < HIGH and first - top == pytest.approx(bottom - first, abs=0.11)
    assert re.fullmatch(r"1970-01-01", made["first"])
    assert picture({"at_ms": [1]}) is None


def test_positions_stand_on_the_price_at_their_strikes_while_they_were_held() -> None:
    legs = [{"instrument": "BTC-30JAN26-120000-C", "opened_ms": 25, "closed_ms": 75},
            {"instrument": "BTC-27FEB26-100000-C", "opened_ms": 75, "closed_ms": None}]  # fmt: skip
    chain = ChainRow(
        "own", "1", "income", "covered_call", "BTC", "call", "BTC", 25, None, "-0.1", "-9000", {"legs": legs}
    )
    curve = {"at_ms": [0, 50, 100], "price_BTC": [80_000.0, 100_000.0, 120_000.0]}
    (made,) = price_charts(curve, [chain])
    first, second = made["legs"]
    points = [tuple(one.split(",")) for one in made["line"].split()]
    assert (first["y"], second["y"]) == (points[2][1], points[1][1])  # where the price was at the strike
    assert first["x2"] == second["x1"] and second["x2"] == points[2][0]
    assert float(first["x1"]) == LEFT + (WIDE - LEFT - RIGHT) / 4 and first["sign"] == "loss"
    assert price_charts({"at_ms": [0, 1]}, [chain]) == []


def test_a_leg_on_the_price_tells_bought_from_sold_and_made_prices_from_recorded_ones() -> None:
    put, wing, call = "BTC_USDC-30JAN26-90000-P", "BTC_USDC-30JAN26-80000-P", "BTC-30JAN26-120000-C"
    legs = [{"instrument": put, "opened_ms": 0, "closed_ms": 50, "sold": True},
            {"instrument": wing, "opened_ms": 0, "closed_ms": None, "sold": False},
            {"instrument": call, "opened_ms": 50, "closed_ms": None, "sold": True}]  # fmt: skip
    flows = [{"instrument": put, "repriced": True}, {"instrument": put, "repriced": True, "converted": True},
             {"instrument": wing, "converted": True}, {"instrument": call}]  # fmt: skip
    chain = ChainRow("own", "1", "income", "put_spread", "BTC", "put", "USDC", 0, None, "9", "9",
                     {"legs": legs, "flows": flows})  # fmt: skip
    (made,) = price_charts({"at_ms": [0, 100], "price_BTC": [80_000.0, 100_000.0]}, [chain])
    assert [one["look"] for one in made["legs"]] == ["made", "bought made", ""]
    assert made["legs"][0]["text"].endswith("USD (2 repriced, 1 converted)")
    assert "bought" in made["legs"][1]["text"] and made["legs"][2]["text"].endswith("USD")


def test_a_position_says_how_many_of_its_fills_had_no_recorded_price() -> None:
    detail = {"legs": [{"instrument": "BTC-30JAN26-95000-C"}], "repriced": 2, "converted": 0}
    row = ChainRow("own", "c", "s", "covered_call", "BTC", "call", "BTC", 0, 1, "0.1", "9", detail)
    assert position(row)["priced"] == "2 repriced"
    assert position(replace(row, detail={**detail, "converted": 1}))["priced"] == "2 repriced, 1 converted"
    assert (
        position(replace(row, detail={"legs": detail["legs"]}))["priced"] == ""
    )  # a run of an older program
    shown = Pages().text("lab/report.html", styles=[{"style": "own", "positions": [position(row)]}])
    assert '<span class="sub">2 repriced</span>' in shown


def test_every_figure_that_a_run_can_have_is_named_and_explained(done: House) -> None:
    metrics = done.ask("/1")["metrics"]
    names = {one["name"] for one in metrics} | {f"{PREFIX}{name}" for name in NAMES}
    assert names == set(FIGURES)  # none is missing, and none is of another program
    assert len({one.name for one in FIGURES.values()}) == len(FIGURES)
    assert all(one.about.endswith(".") for one in FIGURES.values())
    seen = page(done, "/lab/runs/1?exit_style=own")
    for name in {one["name"] for one in metrics}:
        assert FIGURES[name].about in seen.text and FIGURES[name].name in seen.text
    for one in metrics:
        if one["exit_style"] == "own" and one["error"] is not None:
            assert f"± {text_of(one['name'], one['error'], one['currency'])}" in seen.text


def test_what_this_program_does_not_know_is_shown_under_its_own_name() -> None:
    rows = [
        MetricRow("own", "USD", name, 0.25) for name in ("new_share", "new_pnl", "new_days", "new", "fees")
    ]
    (usd,) = summaries(rows, "own")
    (*_, others) = usd["groups"]
    assert {one["name"]: one["text"] for one in others["rows"]} == {
        "New share": "25.00%", "New pnl": "0.25 USD", "New days": "0.2 d", "New": "0.25",
    }  # fmt: skip


def test_the_new_figures_have_names_of_their_own() -> None:
    for name in ("fees_saved", "idle_yield", "conversions", "fills_repriced", "fills_converted",
                 "settlements_official", "at_multiplier_1_net_profit", "at_multiplier_1_trades"):  # fmt: skip
        assert name_of(name) != label(name)
    assert text_of("settlements_price_0800", 7.0, "USD") == "7"
    assert text_of("fees_saved", 318.58, "USD").endswith("318.58 USD")
    assert text_of("at_multiplier_1_max_drawdown", 0.125, "USD") == "12.50%"
