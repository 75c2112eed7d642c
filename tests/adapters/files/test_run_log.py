"""The run log: events with tracebacks, and no secret in any of them."""

import json
from pathlib import Path

import structlog

from optionwriter.adapters.files.run_log import FILE, STRUCK, RunLog


def test_a_failure_is_kept_with_its_traceback_and_without_secrets(tmp_path: Path) -> None:
    secret = "canary-5f2c-secret"
    log = RunLog(tmp_path, [secret, ""])
    try:
        raise ValueError(f"refused with {secret}")
    except ValueError:
        structlog.get_logger("x").exception("cycle failed", params={"client_secret": secret})
    log.close()
    text = (tmp_path / FILE).read_text()
    event = json.loads(text)
    assert secret not in text and STRUCK in event["exception"] and STRUCK in event["params"]
    assert "ValueError" in event["exception"] and event["level"] == "error"
