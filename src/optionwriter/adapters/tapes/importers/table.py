"""chain_table: a table of options' quotes whose columns go by names that people use."""

from __future__ import annotations

from optionwriter.adapters.tapes.importers.chains import ChainFile, open_chain
from optionwriter.adapters.tapes.importers.columns import recognise
from optionwriter.adapters.tapes.importers.files import Source
from optionwriter.adapters.tapes.importers.problem import ImportOptions, ImportRefusedError


def recognises(source: Source) -> bool:
    """Whether names and marks of options are among its columns."""
    return source.kind != "json" and recognise(source.columns) is not None


def open_table(source: Source, options: ImportOptions) -> ChainFile:
    """Errors: ImportRefusedError."""
    columns = recognise(source.columns)
    if columns is None:
        raise ImportRefusedError("it has no names and marks of options")
    return open_chain(source, columns, options)
