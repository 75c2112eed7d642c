"""An exchange in a process of its own, for tests that kill it: python -m tests.venue.server.exchange_process FOLDER."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from optionwriter.venue import opening
from optionwriter.venue.server import serve
from tests.venue.server.house import exchange


def main(folder: str) -> None:
    """Takes a snapshot every few lines, so that kills meet snapshots in the making too."""
    opening.SNAPSHOT_LINES, opening.SNAPSHOT_SHARE = 5, 0
    print("open", time.monotonic(), flush=True)
    serve(exchange(Path(folder), counts_credits=False), "127.0.0.1", 0, lambda text: print(text, flush=True))
    print("closed", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
