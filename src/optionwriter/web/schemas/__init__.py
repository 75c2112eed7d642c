"""Schemas: what the API answers. Stable: fields are added, never renamed or dropped.

Amounts and prices are decimal numbers as text, exact; None is what can't be known now. `_abs` is the settlement
currency (coin, or USDC for linear options), `_abs_usd` dollars with each flow at the index of its own instant; `_pct`
percent of the collateral that the position's first leg bound. Instants are exchange time: UTC text, and
`_ms` since 1970.
"""

from __future__ import annotations

from optionwriter.web.schemas.agent import (
    Agent,
    Currency,
    External,
    Heartbeat,
    Kill,
    Limit,
    Status,
    Underlying,
)
from optionwriter.web.schemas.commands import (
    CommandGiven,
    CommandTaken,
)
from optionwriter.web.schemas.common import (
    Amount,
    Fresh,
    Growing,
    Maybe,
    NoQuery,
    Problem,
)
from optionwriter.web.schemas.decisions import (
    Decision,
    Decisions,
    DecisionsQuery,
    Explanation,
    Held,
    Item,
    Menu,
    Metrics,
    Miss,
    Order,
    OrderLeg,
    Refusal,
)
from optionwriter.web.schemas.equity import (
    Columns,
    CurrencyCurve,
    Equity,
)
from optionwriter.web.schemas.positions import (
    ClosedPositions,
    ClosedRow,
    Fill,
    Flow,
    Leg,
    OpenPositions,
    OpenRow,
    Payoff,
    PositionDetail,
    Total,
)
from optionwriter.web.schemas.strategies import (
    Strategies,
    StrategyRow,
)

__all__ = [
    "Agent",
    "Amount",
    "ClosedPositions",
    "ClosedRow",
    "Columns",
    "CommandGiven",
    "CommandTaken",
    "Currency",
    "CurrencyCurve",
    "Decision",
    "Decisions",
    "DecisionsQuery",
    "Equity",
    "Explanation",
    "External",
    "Fill",
    "Flow",
    "Fresh",
    "Growing",
    "Heartbeat",
    "Held",
    "Item",
    "Kill",
    "Leg",
    "Limit",
    "Maybe",
    "Menu",
    "Metrics",
    "Miss",
    "NoQuery",
    "OpenPositions",
    "OpenRow",
    "Order",
    "OrderLeg",
    "Payoff",
    "PositionDetail",
    "Problem",
    "Refusal",
    "Status",
    "Strategies",
    "StrategyRow",
    "Total",
    "Underlying",
]
