"""``stepdrain list``: the drains of an installation."""

from __future__ import annotations

from itertools import islice

import click
from stepdrain.clock import to_rfc3339
from stepdrain.reporting import links

from stepdrain_cli.accounts import drains
from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.drains import Drain
from stepdrain_cli.commands.options import on_account
from stepdrain_cli.pictures.chart import duration
from stepdrain_cli.terminal import tables
from stepdrain_cli.terminal.output_formats import JSON, TABLE, WIDE, YAML, output_option, print_document


@click.command("list")
@click.option("--failed", is_flag=True, help="Only those that failed.")
@click.option("--running", is_flag=True, help="Only those that run.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most this many."
)
@on_account
@output_option(TABLE, WIDE, JSON, YAML)
def command(account: Account, failed: bool, running: bool, limit: int, output: str) -> None:
    """List drains, newest first, with the state each stands in. A request for each is sent.

    AGE counts from the start. -o wide adds the start (UTC), the execution, and a link to its console.
    """
    if failed and running:
        raise click.UsageError("Give --failed or --running, not both. Without either, all are listed.")
    status = "FAILED" if failed else "RUNNING" if running else None
    found = list(islice(drains.listed(account, status), limit))
    if output in (JSON, YAML):
        print_document([drain.to_document() for drain in found], output)
        return
    if not found:
        click.echo(f"No {status.lower() + ' ' if status else ''}drains.", err=True)
        return
    wide = output == WIDE
    rows = [_row(account, drain) + (_wide(drain) if wide else []) for drain in found]
    tables.show(HEAD + (WIDE_HEAD if wide else []), rows)


HEAD = ["NODE", "INSTANCE", "STATUS", "STATE", "AGE", "TOOK"]
WIDE_HEAD = ["STARTED (UTC)", "EXECUTION", "CONSOLE"]


def _row(account: Account, drain: Drain) -> list[str]:
    now = account.now()
    age, took = now - drain.started, (drain.ended or now) - drain.started
    times = [duration(round(age)), duration(round(took))]
    return [drain.node or "-", drain.instance or "-", drain.status, drain.state or "-", *times]


def _wide(drain: Drain) -> list[str]:
    return [to_rfc3339(drain.started), drain.arn, links.execution(drain.arn.split(":")[3], drain.arn)]
