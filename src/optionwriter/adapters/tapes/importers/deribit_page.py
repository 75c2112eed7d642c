"""deribit_page: what Deribit's web page exports, one expiry a file.

A dash is no value; two columns are called Size, the bid's before the ask's; the delta's header begins with a Greek
letter. There is no time in it (--at), no forward and no volatility of the marks: both are computed. The file's name
tells the expiry, which must be that of its rows.
"""

from __future__ import annotations

import re

from optionwriter.adapters.tapes.importers.chains import ChainFile, open_chain
from optionwriter.adapters.tapes.importers.columns import ChainColumns
from optionwriter.adapters.tapes.importers.files import Source
from optionwriter.adapters.tapes.importers.problem import ImportOptions, ImportRefusedError

_HEADER = ("Instrument", "ExtValue", "IV Bid", "Bid", "Mark", "Ask", "IV Ask", "Size")
_FILE_NAME = re.compile(r"([A-Z_]+-\d{1,2}[A-Z]{3}\d{2})-export")
_OF = {
    "instrument_name": "Instrument", "volume": "Volume", "open_interest": "Open", "theta": "Theta", "vega": "Vega",
    "gamma": "Gamma", "bid_size": "Size", "bid_iv": "IV Bid", "bid_price": "Bid", "mark_price": "Mark",
    "ask_price": "Ask", "ask_iv": "IV Ask", "ask_size": "Size_duplicated_0",
}  # fmt: skip


def is_page(source: Source) -> bool:
    """Whether it has the page's header."""
    return source.kind == "csv" and set(_HEADER) <= set(source.columns)


def open_page(source: Source, options: ImportOptions) -> ChainFile:
    """Errors: ImportRefusedError."""
    of = {name: own for name, own in _OF.items() if own in source.columns}
    delta = next((one for one in source.columns if one.endswith("Delta") and one != "NDelta"), None)
    if delta is not None:
        of["delta"] = delta
    facts: tuple[str, ...] = ()
    named = _FILE_NAME.search(source.name)
    if named is not None:
        others = source.head.filter(~source.head["Instrument"].str.starts_with(f"{named[1]}-"))
        if others.height:
            raise ImportRefusedError(
                f"the file is named after {named[1]} and holds {others['Instrument'][0]}: rename it to what it holds"
            )
        facts = (f"all rows are of {named[1]}, as the file's name says",)
    return open_chain(
        source, ChainColumns("deribit_page", of, iv="percent", price="coin", facts=facts), options
    )
