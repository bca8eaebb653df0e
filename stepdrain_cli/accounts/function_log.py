"""What the functions' code would log: on the command line a note on stderr, once each."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import click

SERVICE = "stepdrain"
"""The logger's name (stepdrain.reporting.logs)."""


class _Notes(logging.Filter):
    """Takes every record off the functions' own handler, which writes to stdout."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if record.levelno >= logging.WARNING and text not in self._said:
            self._said.add(text)
            click.echo(f"Note: {text}", err=True)
        return False


@contextlib.contextmanager
def as_notes() -> Iterator[None]:
    """While this lasts, warnings of the functions' code are notes, and what is less is not shown."""
    notes, log = _Notes(), logging.getLogger(SERVICE)
    log.addFilter(notes)
    try:
        yield
    finally:
        log.removeFilter(notes)
