"""Tardis's options_chain by API key, through the tardis-dev package (the extra optionwriter[tardis]).

Keeps: the key is handed to that package and to nothing else, and never written or shown; a file that is there is not
fetched again; a failed download is one error.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from optionwriter.adapters.tapes.importers.problem import ImportRefusedError

EXCHANGE, DATA_TYPE, SYMBOL = "deribit", "options_chain", "OPTIONS"
_MISSING = "downloading from Tardis needs its package: pip install 'optionwriter[tardis]'"


def download(
    folder: Path,
    first: date,
    end: date,
    api_key: str,
    *,
    endpoint: str = "",
    client: Callable[..., Any] | None = None,
) -> list[Path]:
    """Files of the days of [first, end), a day each, in `folder`. Without a key Tardis gives the first day of a month.

    `client` is tardis_dev.download_datasets, `endpoint` another server than theirs. Errors: ImportRefusedError.
    """
    fetch = client or _client()
    folder.mkdir(parents=True, exist_ok=True)
    where = {"endpoint": endpoint} if endpoint else {}
    quiet = logging.getLogger("tardis_dev")
    quiet.setLevel(logging.WARNING)
    try:
        fetch(
            exchange=EXCHANGE,
            data_types=[DATA_TYPE],
            symbols=[SYMBOL],
            from_date=first.isoformat(),
            to_date=end.isoformat(),
            api_key=api_key,
            download_dir=str(folder),
            get_filename=_file_name,
            concurrency=2,
            **where,
        )
    except Exception as error:  # whatever the package and its HTTP client raise
        told = str(error).replace(api_key, "***") if api_key else str(error)
        raise ImportRefusedError(
            f"Tardis gave nothing ({told.partition(chr(10))[0]}): see to TARDIS_API_KEY and the days"
        ) from None
    wanted = [folder / name_of_day(first + timedelta(days=ahead)) for ahead in range((end - first).days)]
    lost = [path.name for path in wanted if not path.is_file()]
    if lost:
        raise ImportRefusedError(f"Tardis gave no {', '.join(lost)}: choose other days")
    return wanted


def name_of_day(day: date) -> str:
    """A day's file."""
    return f"{EXCHANGE}_{DATA_TYPE}_{day:%Y-%m-%d}_{SYMBOL}.csv.gz"


def _file_name(_exchange: str, _data_type: str, day: datetime, _symbol: str, _format: str) -> str:
    return name_of_day(day.date())


def _client() -> Callable[..., Any]:
    try:
        module = importlib.import_module("tardis_dev")
    except ImportError:
        raise ImportRefusedError(_MISSING) from None
    fetch: Callable[..., Any] = module.download_datasets
    return fetch
