"""The simulated broker: an account that trades on a tape's quotes and never touches a wire."""

from optionwriter.adapters.paper.broker import PaperBroker
from optionwriter.adapters.paper.tape import QuoteSource

__all__ = ["PaperBroker", "QuoteSource"]
