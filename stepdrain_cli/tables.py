"""Tables as kubectl prints them: for a person wrapped to the terminal, for a pipe in whole lines."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table

PIPE_COLUMNS = 400


def console(*, err: bool = False) -> Console:
    """Where output goes; rich takes colours away for NO_COLOR, TERM=dumb and pipes."""
    stream = sys.stderr if err else sys.stdout
    return Console(width=None if stream.isatty() else PIPE_COLUMNS, highlight=False, stderr=err)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A borderless table; texts are taken as they are, not as markup."""
    made = Table(*head, box=None, pad_edge=False, header_style="")
    for row in rows:
        made.add_row(*(cell.replace("[", "\\[") for cell in row))
    return made


def show(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to stdout; into a pipe without the blanks that fill up the last column."""
    out = console()
    if out.is_terminal:
        out.print(table(head, rows))
        return
    with out.capture() as printed:
        out.print(table(head, rows))
    for line in printed.get().splitlines():
        click.echo(line.rstrip())
