"""``stepdrain status``: how one drain stands."""

from __future__ import annotations

import sys

import click

from stepdrain_cli.accounts import drain_lookup, drain_status, drains
from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.name_completion import drained_nodes
from stepdrain_cli.accounts.node_now import Nodes
from stepdrain_cli.commands.options import on_account
from stepdrain_cli.terminal import tables
from stepdrain_cli.terminal.node_argument import NODE
from stepdrain_cli.terminal.output_formats import JSON, TABLE, YAML, output_option, print_document


@click.command("status")
@click.argument("target", type=NODE, metavar="NODE", shell_complete=drained_nodes)
@on_account
@output_option(TABLE, JSON, YAML)
def command(account: Account, target: str, output: str) -> None:
    """Show how the drain of NODE stands: state, pods, what it waits for, the time left.

    NODE is a node's name, its first label, an instance id or an execution's ARN. Of several drains it is the
    one that runs, else one that failed, else the newest. The exit status says how it ended (0 if it runs).
    Pods are counted on the node where its cluster answers you, and else as the drain has recorded them.
    """
    found = drains.standing(account, drain_lookup.find(account, target))
    present = Nodes(account).now(found)
    if output in (JSON, YAML):
        shown = present.to_document() if present else None
        print_document({**found.to_document(), "present": shown}, output)
    else:
        rows = drain_status.lines(found, account.now(), account.flags, present)
        click.echo(drain_status.text(rows, tables.width()))
    sys.exit(drains.exit_status(found.drain.status, found.line.error))
