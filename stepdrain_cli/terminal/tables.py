"""Tables as kubectl prints them: a line for each row, and no name is ever cut."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Sequence

import click
from rich.console import Console

PIPE_COLUMNS = 400
GAP = "  "
LEAST_COLUMNS = 24
"""A last column narrower than this is not wrapped: whole lines are read more easily."""
COLOURS = {
    "RUNNING": "cyan", "SUCCEEDED": "green", "FAILED": "red", "TIMED_OUT": "red", "ABORTED": "yellow",
    "blocked": "yellow", "refuse": "red",
}  # fmt: skip


def console(*, err: bool = False) -> Console:
    """Where pictures go; rich takes colours away for NO_COLOR, TERM=dumb and pipes."""
    stream = sys.stderr if err else sys.stdout
    return Console(width=None if stream.isatty() else PIPE_COLUMNS, highlight=False, stderr=err)


def coloured() -> bool:
    """Whether stdout takes colours: a terminal, and nobody has asked for none (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def lines(head: Sequence[str], rows: Sequence[Sequence[str]], columns: int | None = None) -> list[str]:
    """The table's lines. Texts of the last column are wrapped to a terminal of so many ``columns``."""
    table = [head, *rows]
    widths = [max(len(row[number]) for row in table) for number in range(len(head) - 1)]
    indent = sum(widths) + len(GAP) * len(widths)
    room = columns - indent if columns is not None and columns - indent >= LEAST_COLUMNS else None
    return [line for row in table for line in _wrapped(row, widths, indent, room)]


def _wrapped(row: Sequence[str], widths: Sequence[int], indent: int, room: int | None) -> list[str]:
    *cells, last = row
    begin = "".join(f"{cell:<{width}}{GAP}" for cell, width in zip(cells, widths, strict=True))
    parts = textwrap.wrap(last, room, break_long_words=False, break_on_hyphens=False) if room else [last]
    first, *rest = parts or [""]
    return [f"{begin}{first}".rstrip(), *(f"{'':<{indent}}{line}" for line in rest)]


def show(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to stdout, with colours and wrapped on a terminal alone."""
    terminal = sys.stdout.isatty()
    columns = os.get_terminal_size(sys.stdout.fileno()).columns if terminal else None
    for line in lines(head, rows, columns):
        click.echo(_painted(line) if coloured() else line)


def _painted(line: str) -> str:
    words = [click.style(word, fg=COLOURS[word]) if word in COLOURS else word for word in line.split(" ")]
    return " ".join(words)
