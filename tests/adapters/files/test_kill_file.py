"""The kill file: durable, whole, and closed whenever anything about it is unclear."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from optionwriter.adapters.files.kill_file import BY_HAND, KillFile
from optionwriter.ports import KillOrder

AT = 1_767_614_400_123


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "KILL"


def test_what_was_engaged_is_read_by_others_until_it_is_cleared(path: Path) -> None:
    KillFile(path).engage("gap risk\n„näher“", "page", AT)
    assert KillFile(path).read() == KillOrder("gap risk\n„näher“", "page", AT)
    KillFile(path).engage("worse now", "command line", AT + 1)
    assert KillFile(path).read() == KillOrder("worse now", "command line", AT + 1)
    KillFile(path).clear()
    KillFile(path).clear()
    assert KillFile(path).read() is None and list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 64, b"stop!", b"[]", b"null", b"{}", b'{"reason": "x", "by": "y"}', b"\xff\xfe", b"[" * 60_000,
     b'{"reason": 1, "by": "y", "at_ms": 3}', b'{"reason": "x", "by": "y", "at_ms": true}',
     b'{"reason": "x", "by": "y", "at_ms": -1}', b'{"reason": "x", "by": "y", "at_ms": 1e300}',
     b'{"reason": "x", "by": "y", "at_ms": 253402300800000}', b'{"reason": "x", "by": "y", "at_ms"'],
    ids=range(15),
)  # fmt: skip
def test_a_file_that_nobody_here_wrote_is_an_order(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    os.utime(path, ns=(0, 1_700_000_000_123 * 1_000_000))
    assert KillFile(path).read() == KillOrder(BY_HAND, "hand", 1_700_000_000_123)


def test_what_is_no_file_is_an_order_too(path: Path) -> None:
    path.symlink_to("nowhere")
    assert KillFile(path).read() is not None
    path.unlink()
    path.mkdir()
    assert KillFile(path).read() is not None
    path.rmdir()
    os.mkfifo(path)
    assert KillFile(path).read() is not None, "and it does not wait for a writer"


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ELOOP, errno.EMFILE, errno.ENOTDIR])
def test_a_file_that_cannot_be_read_is_an_order(
    path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("optionwriter.adapters.files.kill_file.os.open", refuse)
    order = KillFile(path).read()
    assert order is not None and os.strerror(code) in order.reason


def test_a_full_disk_still_takes_the_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("optionwriter.adapters.files.kill_file.os.write", full)
    KillFile(path).engage("now", "page", AT)
    order = KillFile(path).read()
    assert order is not None and order.reason == BY_HAND
    assert [one.name for one in path.parent.iterdir()] == ["KILL"], "nothing half-made stays"


def test_an_order_that_cannot_be_written_at_all_is_said(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        KillFile(path.parent / "gone" / "KILL").engage("now", "page", AT)


def test_an_order_is_on_the_disk_before_it_stands(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, move = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: (done.append("sync"), sync(file)))
    monkeypatch.setattr(Path, "replace", lambda one, to: (done.append("stand"), move(one, to))[1])
    KillFile(path).engage("now", "page", AT)
    assert done == ["sync", "stand", "sync"]


def test_a_long_reason_is_cut(path: Path) -> None:
    KillFile(path).engage("x" * 100_000, "page", AT)
    order = KillFile(path).read()
    assert order is not None and (len(order.reason), order.by, order.at_ms) == (500, "page", AT)
