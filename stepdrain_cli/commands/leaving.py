"""What a person is told before a node is given up or given back: its instance may go all the same."""

from __future__ import annotations

import click
from stepdrain.errors import DrainError

from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.held_instances import hold


def warn(account: Account, instance: str | None) -> list[str]:
    """Say on stderr if a lifecycle hook holds the instance, and until when; what can be typed about it.

    The commands are for the caller to show once it has done its own part.
    """
    try:
        found = hold(account, instance) if instance else None
    except DrainError as error:
        click.echo(f"Note: whether a lifecycle hook holds the instance is not known: {error}", err=True)
        return []
    if found is None:
        return []
    click.echo(found.warning(account.now()), err=True)
    return found.commands(account.aws_options)
