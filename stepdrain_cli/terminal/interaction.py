"""Asking a person, where there is one."""

from __future__ import annotations

import sys

import click

from stepdrain_cli.terminal.exits import FAILED, CommandError


def interactive() -> bool:
    """Whether somebody can answer."""
    return sys.stdin.isatty()


def ask(question: str, yes: bool, otherwise: str) -> None:
    """Go on if the answer is yes, or ``yes`` was given beforehand; else CommandError saying ``otherwise``."""
    if yes:
        return
    if not interactive():
        raise CommandError(f"Nobody can be asked here ({question}): add --yes to go on without a question.")
    if not confirmed(question):
        raise CommandError(otherwise, FAILED)


def confirmed(question: str) -> bool:
    """What somebody answers; click.Abort, in a line of its own, if they type Ctrl-C or Ctrl-D instead."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)
        raise
