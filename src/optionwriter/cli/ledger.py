"""optionwriter ledger: prove the ledger whole."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from optionwriter.bootstrap.parts import LEDGER_FILE
from optionwriter.bootstrap.stores import prove_ledger
from optionwriter.cli.output import UserError, out, print_json, told
from optionwriter.ports import LedgerError
from optionwriter.settings import SettingsError, load

app = typer.Typer(no_args_is_help=True, help="The append-only ledger.")


@app.callback()
def ledger() -> None:
    """The append-only ledger."""


@app.command()
def verify(
    data_dir: Annotated[Path | None, typer.Option(help="Where the ledger lives; default DATA_DIR.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Reads every fact, checks that none is missing or altered and that they add up; exit 2 when not."""
    with told(SettingsError, LedgerError):
        path = load(overrides={"data_dir": data_dir}).settings.data_dir / LEDGER_FILE
        if not path.exists():
            raise UserError(f"{path} does not exist: run the agent first, or name its folder with --data-dir")
        summary, book = prove_ledger(path)
    if json:
        print_json({**asdict(summary), "cash": dict(book.cash), "open_chains": len(book.open_ids)})
        return
    out.print(
        f"The ledger {path} is whole: {summary.facts} facts of account {summary.account}, {summary.mode}."
    )
    out.print("Cash: " + ", ".join(f"{amount} {code}" for code, amount in sorted(book.cash.items())))
