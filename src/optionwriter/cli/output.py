"""How the command line speaks: one clear line for an error, JSON on request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_WIDE = 140  # characters
EXIT_WRONG = 2  # wrong input or a state that a person must mend


class UserError(Exception):
    """What the user must know and can mend; printed as it is, without a traceback."""


@contextmanager
def told(*expected: type[Exception]) -> Iterator[None]:
    """Turns the expected errors into a message on stderr and exit code 2."""
    kinds: tuple[type[Exception], ...] = (UserError, *expected)
    try:
        yield
    except kinds as error:
        for line in str(error).splitlines():
            err.print(f"error: {line}", markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_WRONG) from None


def print_wide(table: Table) -> None:
    """A table of many columns, uncut: a narrow screen wraps its lines."""
    Console(width=max(out.width, _WIDE), highlight=False).print(table)


def print_json(value: Any) -> None:
    """One JSON document on stdout, Decimals as strings."""
    typer.echo(json.dumps(value, indent=2, sort_keys=True, default=str))
