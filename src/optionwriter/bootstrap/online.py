"""Online: one look at the exchange for the doctor: does it answer, what is its time, does the key open it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from optionwriter.adapters.clocks import SystemClock, sleep_s
from optionwriter.adapters.deribit.errors import VenueError
from optionwriter.adapters.deribit.http import Timeouts, local_url
from optionwriter.adapters.deribit.retries import Patience
from optionwriter.adapters.deribit.session import Session
from optionwriter.bootstrap.desks import key_of
from optionwriter.core.market.instruments import PRODUCTS
from optionwriter.settings import Settings

_TIMEOUTS = Timeouts(connect_s=3.0, read_s=5.0, total_s=8.0)
_PATIENCE = Patience(read_tries=2, total_s=8.0)


class _Index(msgspec.Struct):
    index_price: Decimal


@dataclass(frozen=True, slots=True)
class Reached:
    """What was found; `problem` says why nothing was."""

    name: str
    problem: str = ""
    cure: str = ""
    round_trip_ms: float = 0.0
    clock: str = ""
    clock_warning: str = ""
    key_problem: str = ""
    index: Mapping[str, Decimal] = field(default_factory=dict)


def reach(settings: Settings, machine: SystemClock) -> Reached:
    """Asks the exchange for its time and prices; with DRY_RUN=false also for the account's limits. Sends no order."""
    env, live = settings.deribit_env, not settings.dry_run
    name = f"the {env} exchange"
    session = Session(
        env,
        machine.monotonic,
        sleep_s,
        key_of(settings) if live else None,
        local_url(settings.local_port) if env == "local" else None,
        timeouts=_TIMEOUTS,
        patience=_PATIENCE,
    )
    try:
        try:
            clock = session.exchange_clock(machine)
            index = _prices(session, settings.underlyings)
        except VenueError as error:
            cure = (
                "start it with optionwriter exchange, or everything with optionwriter up; LOCAL_PORT names its port"
                if env == "local"
                else "check the network and DERIBIT_ENV"
            )
            return Reached(name, f"{name} can't be reached ({error})", cure)
        problem = ""
        if live:
            try:
                session.learn_limits()
            except VenueError as error:
                problem = f"{name} does not let the key in: {error}"
        told = "it keeps its own time" if env == "local" else f"this machine's is {clock.skew_ms:+,} ms off"
        warning = "" if env == "local" else clock.warning
        return Reached(name, "", "", 2 * clock.error_ms, told, warning, problem, index)
    finally:
        session.close()


def _prices(session: Session, underlyings: tuple[str, ...]) -> dict[str, Decimal]:
    names = {one.underlying: one.index_name for one in reversed(PRODUCTS.values())}
    return {
        name: session.client.call("public/get_index_price", {"index_name": names[name]}, _Index).index_price
        for name in underlyings
    }
