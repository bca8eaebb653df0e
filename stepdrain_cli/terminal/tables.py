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
"""Where a last column would be narrower than this, and than its texts, rows are blocks."""
NAMES = 12
"""Columns of the names beside fields."""
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


def lines(
    head: Sequence[str], rows: Sequence[Sequence[str]], columns: int | None = None, title: str = ""
) -> list[str]:
    """The table's lines. Texts of the last column are wrapped to a terminal of so many ``columns``.

    In a terminal that the other columns do not leave room in, each row is a block instead, under its cell of
    the column ``title`` (the first by default), so that the terminal breaks no name and no id in the middle.
    """
    table = [head, *rows]
    widths = [max(len(row[number]) for row in table) for number in range(len(head) - 1)]
    indent = sum(widths) + len(GAP) * len(widths)
    last = max(len(row[-1]) for row in table)
    if columns is not None and columns - indent < min(LEAST_COLUMNS, last):
        under = head.index(title) if title else 0
        return [line for row in rows for line in _block(head, row, under, columns)]
    room = columns - indent if columns is not None else None
    return [line for row in table for line in _wrapped(row, widths, indent, room)]


def _wrapped(row: Sequence[str], widths: Sequence[int], indent: int, room: int | None) -> list[str]:
    *cells, last = row
    begin = "".join(f"{cell:<{width}}{GAP}" for cell, width in zip(cells, widths, strict=True))
    first, *rest = words(last, room) if room else [last]
    return [f"{begin}{first}".rstrip(), *(f"{'':<{indent}}{line}" for line in rest)]


def _block(head: Sequence[str], row: Sequence[str], under: int, columns: int) -> list[str]:
    """One row: its title, then the other cells behind their columns' names, as many as fit beside another."""
    named = enumerate(zip(head, row, strict=True))
    packed = [""]
    for cell in (f"{name} {cell}" for number, (name, cell) in named if number != under and cell):
        if packed[-1] and len(GAP + packed[-1] + GAP + cell) > columns:
            packed.append("")
        packed[-1] = f"{packed[-1]}{GAP}{cell}" if packed[-1] else cell
    return [row[under], *(GAP + line for text in packed for line in words(text, columns - len(GAP)))]


def words(text: str, room: int) -> list[str]:
    """The text in lines of at most ``room`` columns; a word that is longer has a line of its own, whole."""
    if len(text) <= room:
        return [text]
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]


def fields(named: Sequence[tuple[str, str]], columns: int | None = None) -> list[str]:
    """(name, text) as lines, the names in a column; a text that begins with two blanks is a command.

    In a terminal of so many ``columns``, texts are wrapped, and a command as a shell continues it.
    """
    return [line for name, text in named for line in _field(f"{name}:" if name else "", text, columns)]


def _field(name: str, text: str, columns: int | None) -> list[str]:
    whole = f"{name:<{NAMES}}{text}"
    if columns is None or len(whole) <= columns:
        return [whole]
    if text.startswith(GAP):
        # A blank and a backslash stand at the end of each line but the last.
        first, *rest = words(text.strip(), columns - len(GAP) * 2 - 2)
        continued = [GAP + first, *(GAP * 2 + line for line in rest)]
        return [*(f"{line} \\" for line in continued[:-1]), continued[-1]]
    if max(map(len, text.split())) <= columns - NAMES:
        first, *rest = words(text, columns - NAMES)
        return [f"{name:<{NAMES}}{first}", *(f"{'':<{NAMES}}{line}" for line in rest)]
    return [*([name] if name else []), *(GAP + line for line in words(text, columns - len(GAP)))]


def width(*, err: bool = False) -> int | None:
    """Columns of the terminal that stdout (or stderr) is, None if it is none."""
    stream = sys.stderr if err else sys.stdout
    return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else None


def say(text: str, *, err: bool = False) -> None:
    """Print a sentence, with what it is indented by; on a terminal no word is broken. No commands: a shell
    would read their lines one by one."""
    columns = width(err=err)
    indent = " " * (len(text) - len(text.lstrip(" ")))
    lines = words(text.strip(), columns - len(indent)) if columns is not None else [text.strip()]
    click.echo("\n".join(indent + line for line in lines), err=err)


def show(head: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print a table to stdout, with colours and wrapped on a terminal alone; ``title`` as for ``lines``."""
    for line in lines(head, rows, width(), title):
        click.echo(_painted(line) if coloured() else line)


def _painted(line: str) -> str:
    words = [click.style(word, fg=COLOURS[word]) if word in COLOURS else word for word in line.split(" ")]
    return " ".join(words)
