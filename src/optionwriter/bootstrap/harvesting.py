"""Harvesting: seats the recorder of chains at an exchange. It has no key: it could not send an order if it wished.

Owns which assets are recorded where, and where: data/live_deribit for mainnet, data/<environment>/live_deribit for the
others, so that play prices never lie among real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from optionwriter.adapters.clocks import SystemClock, sleep_s
from optionwriter.adapters.deribit.history_pages import HistoryPages
from optionwriter.adapters.deribit.http import local_url
from optionwriter.adapters.deribit.session import Session
from optionwriter.adapters.deribit.whole_chains import INDEXED, WholeChains
from optionwriter.adapters.tapes.harvest_files import HarvestFolder, harvester_state
from optionwriter.adapters.tapes.history_files import HistoryFolder
from optionwriter.adapters.tapes.layouts import HARVEST_FOLDER, HISTORY_FOLDER
from optionwriter.bootstrap.desks import exchange_clock
from optionwriter.bootstrap.parts import BootError
from optionwriter.core.market.instruments import PRODUCTS, RECORDED_PRODUCTS, recorded_product, utc_day
from optionwriter.ports import Clock
from optionwriter.services.harvest import HarvestDesk
from optionwriter.services.history_fetch import Fetched, Wanted, fetch_history
from optionwriter.settings import Settings

__all__ = ["assets_of", "fetch_past", "harvest_folder", "harvester_state", "seat_harvester"]

ENVIRONMENTS = ("mainnet", "testnet", "local")
DATA = Path("data")
_FIRST_PRICE_MS = 1_534_204_800_000  # 2018-08-14, BTC-PERPETUAL's first day
_FIRST_INDEX_MS = 1_616_544_000_000  # 2021-03-24, the volatility index's


def harvest_folder(environment: str, data: Path | None) -> Path:
    """Where the snapshots of an environment lie. Errors: BootError for no environment."""
    return folder_of(environment, data) / HARVEST_FOLDER


def folder_of(environment: str, data: Path | None) -> Path:
    """Where all data of an environment lie. Errors: BootError for no environment."""
    if environment not in ENVIRONMENTS:
        raise BootError(f"--env {environment} is no exchange: choose from {', '.join(ENVIRONMENTS)}")
    if data is not None:
        return data
    return DATA if environment == "mainnet" else DATA / environment


def assets_of(environment: str, wanted: Sequence[str]) -> tuple[str, ...]:
    """The assets to record, all when none is wanted. Errors: BootError names those that are not there."""
    there = PRODUCTS if environment == "local" else RECORDED_PRODUCTS
    unknown = [one for one in wanted if one not in there]
    if unknown:
        raise BootError(
            f"{environment} has no options of {', '.join(unknown)}: choose from {', '.join(there)}"
        )
    return tuple(dict.fromkeys(wanted)) or tuple(there)


@contextmanager
def seat_harvester(
    settings: Settings,
    environment: str,
    folder: Path,
    assets: tuple[str, ...],
    again: Callable[[str], bool] = lambda _: False,
) -> Iterator[HarvestDesk]:
    """A harvester on the public methods of an exchange, alone in its folder.

    `again` is told why the exchange can't be reached at the start and says whether to try once more. Errors: BootError,
    HarvestStoreError.
    """
    with ExitStack() as stack:
        store = HarvestFolder(folder)
        store.hold()
        stack.callback(store.release)
        session, clock = stack.enter_context(_open(settings, environment, again))
        local = environment == "local"
        yield HarvestDesk(
            clock,
            WholeChains(session.client, clock, "3600" if local else "60"),
            store,
            environment,
            assets,
            settings.harvester_interval_minutes * 60_000,
            int(1_000 * (settings.local_speed if local else 1)),
        )


def fetch_past(
    settings: Settings,
    environment: str,
    data: Path | None,
    assets: Sequence[str],
    from_ms: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[Wanted, int], None] = lambda _one, _at: None,
) -> tuple[Fetched, ...]:
    """Brings prices, volatility index and delivery prices of the assets' coins up to date in data/history.

    `from_ms`: how far back, also where a file begins later; else from where each ends. Errors: BootError.
    """
    products = [recorded_product(one) for one in assets]
    coins = list(dict.fromkeys(one.underlying for one in products))
    wanted = [
        *(Wanted("prices", coin, from_ms or _FIRST_PRICE_MS) for coin in coins),
        *(Wanted("volatility_index", coin, from_ms or _FIRST_INDEX_MS) for coin in coins if coin in INDEXED),
        *(Wanted("delivery_prices", one.index_name, from_ms or _FIRST_PRICE_MS) for one in products),
    ]
    store = HistoryFolder(folder_of(environment, data) / HISTORY_FOLDER, f"deribit {environment}")
    with _open(settings, environment, lambda _: False) as (session, clock):
        now_ms = clock.now_ms()
        if from_ms is not None and from_ms >= now_ms:
            raise BootError(f"--from is not in the past: on {environment} it is {utc_day(now_ms)}")
        return fetch_history(
            HistoryPages(session.client), store, wanted, now_ms, from_ms is not None, stop, tell
        )


@contextmanager
def _open(
    settings: Settings, environment: str, again: Callable[[str], bool]
) -> Iterator[tuple[Session, Clock]]:
    """A session without a key, and the exchange's clock. Errors: BootError."""
    local = environment == "local"
    chosen = settings.model_copy(update={"deribit_env": environment})
    machine = SystemClock()
    url = local_url(settings.local_port) if local else None
    session = Session(environment, machine.monotonic, sleep_s, None, url)
    try:
        yield session, exchange_clock(chosen, session, machine, again)
    finally:
        session.close()
