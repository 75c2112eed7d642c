"""The run log: what went wrong and with which traceback, a JSON line an event, secrets struck out."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from pathlib import Path
from typing import Any, TextIO

import structlog

FILE = "optionwriter.log"
STRUCK = "(secret)"
_SHORTEST = 6  # a shorter text would strike out innocent words


class RunLog:
    """Sends every log event of this process to one file; `close` ends it."""

    def __init__(self, folder: Path, secrets: Iterable[str] = ()) -> None:
        """`secrets` never reach the file, wherever they stand in an event. Errors: OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self._hidden = tuple(one for one in secrets if len(one) >= _SHORTEST)
        self._file: TextIO = (folder / FILE).open("a", encoding="utf-8")
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                self._strike,
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
            logger_factory=structlog.WriteLoggerFactory(self._file),
            cache_logger_on_first_use=False,
        )

    def _strike(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        for key, value in event.items():
            text = value if isinstance(value, str) else str(value)
            if any(secret in text for secret in self._hidden):
                for secret in self._hidden:
                    text = text.replace(secret, STRUCK)
                event[key] = text
        return event

    def close(self) -> None:
        """Flushes and closes the file; later events go to the console again."""
        structlog.reset_defaults()
        self._file.close()
