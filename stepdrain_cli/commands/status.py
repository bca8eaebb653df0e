"""``stepdrain status``: how one drain stands."""

from __future__ import annotations

import json
import sys

import click

from stepdrain_cli import drain_status, drains
from stepdrain_cli.account import Account
from stepdrain_cli.commands.options import as_json, on_account


@click.command("status")
@click.argument("target", metavar="NODE")
@on_account
@as_json
def command(account: Account, target: str, as_json: bool) -> None:
    """Show how the newest drain of NODE stands: state, pods, what it waits for, the time left.

    NODE is a node's name, its first label, an instance id or an execution's ARN. The exit status says how
    the drain ended (0 if it runs).
    """
    found = drains.standing(account, drains.find(account, target))
    if as_json:
        click.echo(json.dumps(found.to_document(), indent=2))
    else:
        click.echo(drain_status.text(drain_status.lines(found, account.now())))
    sys.exit(drains.exit_status(found.drain.status, found.line.error))
