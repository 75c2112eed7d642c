"""Request: what a method's handler is given."""

from __future__ import annotations

from dataclasses import dataclass

from optionwriter.core.market.instruments import PRODUCTS, Product
from optionwriter.venue.accounts import Account
from optionwriter.venue.errors import VenueError
from optionwriter.venue.params import Params
from optionwriter.venue.state import State


@dataclass(frozen=True, slots=True)
class Request:
    """One request at the state's current instant. `account` is None for an anonymous one."""

    state: State
    account: Account | None
    params: Params

    @property
    def now_ms(self) -> int:
        """Exchange time."""
        return self.state.now_ms

    def authorised(self) -> Account:
        """The account that asks. Refusal: 10000 when nobody does."""
        if self.account is None:
            raise VenueError(10000)
        return self.account

    def products(self, currency: str) -> list[Product]:
        """The quoted products that settle in `currency`; all of them for `any`."""
        quoted = [PRODUCTS[code] for code in self.state.market.feed.products]
        return [one for one in quoted if currency in (one.settlement_currency, "any")]
