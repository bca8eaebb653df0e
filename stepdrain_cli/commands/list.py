"""``stepdrain list``: the drains of an installation."""

from __future__ import annotations

import json
from itertools import islice

import click
from stepdrain.clock import to_rfc3339

from stepdrain_cli import drains, tables
from stepdrain_cli.account import Account
from stepdrain_cli.chart import duration
from stepdrain_cli.commands.options import as_json, on_account


@click.command("list")
@click.option("--failed", "status", flag_value="FAILED", help="Only those that failed.")
@click.option("--running", "status", flag_value="RUNNING", help="Only those that run.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most this many."
)
@on_account
@as_json
def command(account: Account, status: str | None, limit: int, as_json: bool) -> None:
    """List drains, newest first, with the state each stands in. A request for each is sent."""
    found = list(islice(drains.listed(account, status), limit))
    if as_json:
        click.echo(json.dumps([one.to_document() for one in found], indent=2))
        return
    if not found:
        click.echo(f"No {status.lower() + ' ' if status else ''}drains.", err=True)
        return
    rows = [
        [
            to_rfc3339(one.started),
            one.status,
            one.node or "-",
            one.instance or "-",
            one.state or "-",
            duration(round((one.ended or account.now()) - one.started)),
            one.arn,
        ]
        for one in found
    ]
    tables.show(["STARTED", "STATUS", "NODE", "INSTANCE", "STATE", "TOOK", "EXECUTION"], rows)
