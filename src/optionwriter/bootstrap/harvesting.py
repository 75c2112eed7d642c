"""Harvesting: seats the recorder of chains at an exchange. It has no key: it could not send an order if it wished.

Owns which assets are recorded where, and where: data/live_deribit for mainnet, data/<environment>/live_deribit for the
others, so that play prices never lie among real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from optionwriter.adapters.clocks import SystemClock, sleep_s
from optionwriter.adapters.deribit.http import local_url
from optionwriter.adapters.deribit.session import Session
from optionwriter.adapters.deribit.whole_chains import WholeChains
from optionwriter.adapters.tapes.harvest_files import HarvestFolder, harvester_state
from optionwriter.adapters.tapes.layouts import HARVEST_FOLDER
from optionwriter.bootstrap.desks import exchange_clock
from optionwriter.bootstrap.parts import BootError
from optionwriter.core.market.instruments import PRODUCTS, RECORDED_PRODUCTS
from optionwriter.services.harvest import HarvestDesk
from optionwriter.settings import Settings

__all__ = ["assets_of", "harvest_folder", "harvester_state", "seat_harvester"]

ENVIRONMENTS = ("mainnet", "testnet", "local")
DATA = Path("data")


def harvest_folder(environment: str, data: Path | None) -> Path:
    """Where the snapshots of an environment lie. Errors: BootError for no environment."""
    if environment not in ENVIRONMENTS:
        raise BootError(f"--env {environment} is no exchange: choose from {', '.join(ENVIRONMENTS)}")
    if data is not None:
        return data / HARVEST_FOLDER
    return (DATA if environment == "mainnet" else DATA / environment) / HARVEST_FOLDER


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
    local = environment == "local"
    chosen = settings.model_copy(update={"deribit_env": environment})
    with ExitStack() as stack:
        store = HarvestFolder(folder)
        store.hold()
        stack.callback(store.release)
        machine = SystemClock()
        session = Session(
            environment,
            machine.monotonic,
            sleep_s,
            None,
            local_url(settings.local_port) if local else None,
        )
        stack.callback(session.close)
        clock = exchange_clock(chosen, session, machine, again)
        yield HarvestDesk(
            clock,
            WholeChains(session.client, clock, "3600" if local else "60"),
            store,
            environment,
            assets,
            settings.harvester_interval_minutes * 60_000,
            int(1_000 * (settings.local_speed if local else 1)),
        )
