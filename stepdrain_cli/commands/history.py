"""``stepdrain history``: what happened in one drain, event by event."""

from __future__ import annotations

import json

import click

from stepdrain_cli import drains
from stepdrain_cli.account import Account
from stepdrain_cli.commands.options import as_json, on_account
from stepdrain_cli.commands.watch import told


@click.command("history")
@click.argument("target", metavar="NODE")
@on_account
@as_json
def command(account: Account, target: str, as_json: bool) -> None:
    """Tell the newest drain of NODE event by event. With --json: all events, as `report` reads them."""
    found = drains.find(account, target)
    if as_json:
        click.echo(json.dumps({"events": drains.events(account, found.arn)}, indent=2))
        return
    click.echo(f"{found.node or found.instance}  {found.arn}")
    for line in told(drains.standing(account, found)):
        click.echo(line)
