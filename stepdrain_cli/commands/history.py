"""``stepdrain history``: what happened in one drain, event by event."""

from __future__ import annotations

import click

from stepdrain_cli.accounts import drain_lookup, drains
from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.name_completion import drained_nodes
from stepdrain_cli.commands.options import on_account
from stepdrain_cli.commands.watch import event_lines
from stepdrain_cli.terminal.node_argument import NODE
from stepdrain_cli.terminal.output_formats import JSON, TABLE, YAML, output_option, print_document


@click.command("history")
@click.argument("target", type=NODE, metavar="NODE", shell_complete=drained_nodes)
@on_account
@output_option(TABLE, JSON, YAML)
def command(account: Account, target: str, output: str) -> None:
    """Show the drain of NODE event by event. With -o json: all events, as `report` reads them."""
    found = drain_lookup.find(account, target)
    if output in (JSON, YAML):
        print_document({"events": drains.events(account, found.arn)}, output)
        return
    click.echo(f"{found.who}  {found.arn}")
    for line in event_lines(drains.standing(account, found)):
        click.echo(line)
