"""The server as a user starts it: on loopback, on a port that is free or is not, and ended by a signal."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from optionwriter.adapters.store.views import ViewStore
from optionwriter.cli.main import app
from optionwriter.web.server import RunningWeb, WebError, listen, url_of
from tests.patience import LONGEST_S
from tests.web.browsing import BEARER, made
from tests.web.conftest import World


def test_it_serves_on_a_real_socket_and_ends_when_told(world: World, tmp_path: Path) -> None:
    listener = listen("127.0.0.1", 0)
    url = url_of(listener)
    running = RunningWeb(made(world.copy(tmp_path)), listener)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        with httpx2.Client(base_url=url, headers=BEARER, timeout=LONGEST_S) as client:
            assert client.get("/status").json()["agent"]["state"] == "ACTIVE"
            assert client.get("/", headers={"Host": "evil.example"}).status_code == 421
            assert "server" not in client.get("/").headers
    finally:
        running.stop()
        thread.join(LONGEST_S)
    assert not thread.is_alive()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(url, timeout=LONGEST_S)


def test_a_port_in_use_is_named_with_the_cure(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WebError, match=f"port {port} .*--port or WEB_PORT"):
            listen("127.0.0.1", port)
        result = CliRunner().invoke(app, ["web", "--data-dir", str(tmp_path), "--port", str(port)])
    assert result.exit_code == 2 and f"127.0.0.1, port {port} (" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("environment", [{"WEB_PORT": "80800"}, {"WEB_HOST": "a b"}, {"WEB_PORTT": "1"}])
def test_a_wrong_setting_is_named(environment: dict[str, str]) -> None:
    result = CliRunner().invoke(app, ["web"], env=environment)
    assert result.exit_code == 2 and "WEB_" in result.stderr


@pytest.mark.slow
def test_the_command_serves_before_any_agent_and_ends_in_order_on_sigterm(tmp_path: Path) -> None:
    web = subprocess.Popen(
        [sys.executable, "-m", "optionwriter", "web", "--data-dir", "data", "--port", "0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert web.stdout is not None
    try:
        found = re.search(r"(http://127\.0\.0\.1:\d+/)login\?token=(\S+)", web.stdout.readline())
        assert found is not None
        with httpx2.Client(base_url=found[1], follow_redirects=True, timeout=LONGEST_S) as client:
            assert client.get("/status").status_code == 401
            assert client.get(found[0]).url.path == "/"
            assert client.get("/status").json()["version"] == 0
            kept = tmp_path / "data" / "web.token"
            assert (kept.read_text().strip(), kept.stat().st_mode & 0o777) == (found[2], 0o600)
            store = ViewStore(tmp_path / "data" / "views.sqlite", lambda: 0)
            store.publish({})
            store.close()
            assert client.get("/status").json()["version"] == 1
            web.send_signal(signal.SIGTERM)
            _, complaints = web.communicate(timeout=LONGEST_S)
        assert (web.returncode, complaints) == (0, "")
    finally:
        web.kill()
        web.wait()
