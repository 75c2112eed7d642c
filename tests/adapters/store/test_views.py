"""ViewStore on real files: whole publications, other processes, and everything that can be wrong with the file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from optionwriter.adapters.store.views import KEPT, ViewStore
from optionwriter.ports import FeedEntry, ViewsError
from tests.patience import LONGEST_S

WALL = [1_000_000]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "views.sqlite"


@pytest.fixture
def writer(path: Path) -> Iterator[ViewStore]:
    store = ViewStore(path, lambda: WALL[0])
    yield store
    store.close()


def reader(path: Path, wall_ms: int = 0) -> ViewStore:
    return ViewStore(path, lambda: wall_ms)


def said(numbers: range, feed: str = "f", subject: str = "s") -> list[FeedEntry]:
    return [FeedEntry(feed, subject, {"n": n}) for n in numbers]


def test_before_anything_was_published_all_is_empty_and_no_file_is_made(path: Path) -> None:
    store = reader(path)
    assert (store.version(), store.read("a"), store.entries("f", 5), store.last("a")) == (0, None, (), None)
    with pytest.raises(ViewsError, match="no agent has run with this data folder"):
        store.command("halt", "x", 1)
    assert not path.exists()


def test_a_publication_replaces_what_it_names_and_leaves_the_rest(path: Path, writer: ViewStore) -> None:
    assert writer.publish({"a": {"x": "0.10"}, "b": [1]})
    assert writer.publish({"b": [2, None]})
    seen = reader(path, WALL[0] + 2_500).snapshot("a", "b", "c")
    assert (seen.version, seen.age_ms) == (2, 2_500)
    assert seen.views == {"a": {"x": "0.10"}, "b": [2, None]}
    assert writer.last("a") == {"x": "0.10"}


@pytest.mark.parametrize("bad", [object(), float("nan"), {1, 2}])
def test_what_json_cannot_hold_is_told_and_publishes_nothing_of_it(
    path: Path, writer: ViewStore, bad: object
) -> None:
    writer.publish({"a": 1})
    with capture_logs() as logs:
        assert not writer.publish({"a": 2, "b": bad}, said(range(1)))
    assert logs[0]["event"] == "views not published"
    store = reader(path)
    assert (store.version(), store.read("a"), store.entries("f", 5)) == (1, 1, ())
    assert writer.publish({"a": 3}) and store.read("a") == 3


def test_a_feed_keeps_the_latest_and_filters(path: Path, writer: ViewStore) -> None:
    writer.publish({}, said(range(3), "other"))
    for start in range(0, KEPT + 50, 50):
        assert writer.publish({}, said(range(start, start + 50), subject="even" if start % 100 else "odd"))
    store = reader(path)
    all_of_it = [one["n"] for one in store.entries("f", 10_000)]
    assert all_of_it == list(range(KEPT + 49, 49, -1))
    evens = [one["n"] for one in store.entries("f", 60, "even")]
    assert evens == [*range(199, 149, -1), *range(99, 89, -1)]
    assert len(store.entries("other", 9)) == 3


def test_commands_wait_for_the_agent_and_survive_it(path: Path, writer: ViewStore) -> None:
    writer.publish({})
    first = reader(path).command("kill", "<b>too hot</b>", 5)
    second = reader(path).command("resume", "cooled", 6)
    assert first < second
    writer.close()
    again = ViewStore(path, lambda: 0)
    assert [(one.id, one.kind, one.reason, one.at_ms) for one in again.pending_commands()] == [
        (first, "kill", "<b>too hot</b>", 5),
        (second, "resume", "cooled", 6),
    ]
    assert again.done(first)
    assert [one.id for one in again.pending_commands()] == [second]
    again.close()


@pytest.mark.parametrize("content", ["garbage", "version", "stranger"])
def test_a_file_that_is_none_of_ours_is_set_aside_and_made_anew(path: Path, content: str) -> None:
    if content == "garbage":
        path.write_bytes(b"no database at all, but long enough to be looked at as one " * 20)
    else:
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE theirs (x)")
        db.execute(f"PRAGMA user_version = {99 if content == 'version' else 0}")
        db.commit()
        db.close()
    if content != "stranger":
        with pytest.raises(ViewsError, match=r"views\.sqlite"):
            reader(path).version()
    was = path.read_bytes()
    store = ViewStore(path, lambda: 0)
    assert store.publish({"a": 1}) and reader(path).read("a") == 1
    assert path.with_name("views.sqlite.unusable").read_bytes() == was
    store.close()


def test_a_folder_that_is_not_there_costs_a_log_line_and_no_more(tmp_path: Path) -> None:
    store = ViewStore(tmp_path / "gone" / "views.sqlite", lambda: 0)
    with capture_logs() as logs:
        assert not store.publish({"a": 1})
        assert store.pending_commands() == () and not store.done(1)
    assert [one["event"] for one in logs] == [
        "views not published",
        "commands not read",
        "command not marked as done",
    ]
    (tmp_path / "gone").mkdir()
    assert store.publish({"a": 1})  # goes on when the cause is gone
    store.close()


def test_a_lock_that_stays_fails_the_publication_and_the_next_one_goes_through(
    path: Path, writer: ViewStore
) -> None:
    writer.publish({"a": 1})
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert not writer.publish({"a": 2})
    assert reader(path).read("a") == 1
    other.execute("ROLLBACK")
    other.close()
    assert writer.publish({"a": 3}) and reader(path).read("a") == 3


def test_a_reader_in_the_middle_of_reading_does_not_hold_up_the_writer(path: Path, writer: ViewStore) -> None:
    writer.publish({"a": 1})
    slow = sqlite3.connect(path, isolation_level=None)
    slow.execute("BEGIN")
    (before,) = slow.execute("SELECT body FROM view WHERE name = 'a'").fetchone()
    assert all(writer.publish({"a": n}) for n in range(2, 30))
    assert slow.execute("SELECT body FROM view WHERE name = 'a'").fetchone() == (before,)
    slow.close()
    assert reader(path).read("a") == 29


def test_a_file_that_was_dropped_and_made_anew_is_noticed_by_a_reader(path: Path, writer: ViewStore) -> None:
    store = reader(path)
    writer.publish({"a": 1})
    assert store.read("a") == 1
    writer.close()
    for each in path.parent.glob("views.sqlite*"):
        each.unlink()
    assert store.version() == 0
    writer.publish({"a": 2})
    assert (store.version(), store.read("a")) == (1, 2)


WRITER = """
import sys
from pathlib import Path
from optionwriter.adapters.store.views import ViewStore
from optionwriter.ports import FeedEntry
store = ViewStore(Path(sys.argv[1]), lambda: 0)
n = 0
while True:
    n += 1
    body = [n] * 2000
    assert store.publish({"a": body, "b": {"n": n}}, [FeedEntry("f", "s", n)])
    if n == 20:
        print("going", flush=True)
"""


def test_another_process_sees_whole_publications_while_one_writes_and_is_killed(path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    assert other.stdout is not None
    try:
        assert other.stdout.readline() == b"going\n"
        store = reader(path)
        versions: list[int] = []
        end = time.monotonic() + LONGEST_S
        while len(versions) < 150 or len(set(versions)) <= 20:
            assert time.monotonic() < end, "nothing new is published"
            seen = store.snapshot("a", "b")
            a, b = seen.views["a"], seen.views["b"]
            assert set(a) == {b["n"]} == {seen.version}
            assert store.entries("f", 1)[0] >= seen.version
            versions.append(seen.version)
        assert versions == sorted(versions)
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    left = reader(path).snapshot("a", "b")
    assert set(left.views["a"]) == {left.version} == {left.views["b"]["n"]}
    after = ViewStore(path, lambda: 0)
    assert after.publish({"a": 0}) and after.version() == left.version + 1
    after.close()


def test_a_view_without_a_body_is_dropped(path: Path, writer: ViewStore) -> None:
    writer.publish({"a": 1, "b": 2})
    writer.publish({"a": None, "never": None, "c": 3})
    assert reader(path).snapshot("a", "b", "c", "never").views == {"b": 2, "c": 3}


def test_a_file_that_was_deleted_is_made_anew_and_asks_for_everything(path: Path, writer: ViewStore) -> None:
    """The writer's own connection would go on writing to what nobody can find."""
    assert writer.publish({"a": 1}, said(range(1)))
    path.unlink()
    with capture_logs() as logs:
        assert writer.pending_commands() == ()
        assert writer.publish({"b": 2}) is False, "all of it must come again"
        assert writer.publish({"a": 1, "b": 2})
    assert [one["event"] for one in logs] == ["view file gone or replaced"]
    assert reader(path).snapshot("a", "b").views == {"a": 1, "b": 2}
    assert reader(path).command("kill", "x", 5) == 1 and len(writer.pending_commands()) == 1
