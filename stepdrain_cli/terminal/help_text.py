"""Help texts for narrow terminals: click writes 50 columns at least, and 40 break its words."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable
from functools import partial

import click

NARROW = 60
"""Columns below which an option's text stands under it, not beside it."""
LEAST = 24


class HelpFormatter(click.HelpFormatter):
    """click's, no wider than the terminal is."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None):
        columns = shutil.get_terminal_size().columns
        narrow = max(LEAST, columns) if columns < NARROW else None
        super().__init__(indent_increment, width or narrow, max_width)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Names and their texts; in a narrow terminal a long name has lines of its own."""
        if self.width >= NARROW:
            super().write_dl(rows, col_max, col_spacing)
            return
        wrap = partial(textwrap.fill, width=self.width, subsequent_indent=" " * 6, break_on_hyphens=False)
        indented = ((wrap(" " * self.current_indent + name).lstrip(), text) for name, text in rows)
        super().write_dl(indented, min(col_max, self.width // 4), col_spacing)
