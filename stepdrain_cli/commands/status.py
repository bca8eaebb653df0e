"""``stepdrain status``: how one drain stands."""

from __future__ import annotations

import sys

import click
from stepdrain.errors import DrainError
from stepdrain.rules import node_marks

from stepdrain_cli.accounts import drain_lookup, drain_status, drains
from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.drains import Standing
from stepdrain_cli.accounts.installation import cluster_of
from stepdrain_cli.accounts.name_completion import drained_nodes
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
    """
    found = drains.standing(account, drain_lookup.find(account, target))
    if output in (JSON, YAML):
        print_document(found.to_document(), output)
    else:
        bare = _is_bare(account, found)
        rows = drain_status.lines(found, account.now(), account.flags, bare=bare)
        click.echo(drain_status.text(rows, tables.width()))
    sys.exit(drains.exit_status(found.drain.status, found.line.error))


def _is_bare(account: Account, found: Standing) -> bool:
    """Whether nothing is left to undo on the node of a drain that has stopped.

    False also where the cluster cannot be asked: `undo` says what it finds.
    """
    node, cluster = found.drain.node, found.line.document.get("cluster")
    if found.drain.status not in drains.FAILED_STATUSES or not node or not cluster:
        return False
    try:
        there = cluster_of(account, cluster).node(node)
    except DrainError:
        return False
    return there is None or not node_marks.marks_of(there).owners
