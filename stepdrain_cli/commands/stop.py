"""``stepdrain stop``: end a running drain."""

from __future__ import annotations

import click

from stepdrain_cli import drains
from stepdrain_cli.account import Account
from stepdrain_cli.commands.options import on_account
from stepdrain_cli.exits import FAILED, CommandError


@click.command("stop")
@click.argument("target", metavar="NODE")
@click.option(
    "--cause", default="stopped by an operator", show_default=True, help="Why; it stands in the history."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_account
def command(account: Account, target: str, cause: str, yes: bool) -> None:
    """Stop the running drain of NODE. Its node stays cordoned; the hook holds the instance for a heartbeat.

    A stopped drain can be redriven.
    """
    found = drains.find(account, target)
    who = found.node or found.instance or found.name
    if found.status != "RUNNING":
        raise CommandError(f"The drain of {who} does not run: it is {found.status} ({found.arn}).", FAILED)
    if not yes:
        click.confirm(f"Stop the drain of {who} in {found.state}?", abort=True, err=True)
    account.client("stepfunctions").stop_execution(executionArn=found.arn, error="Stopped", cause=cause)
    click.echo(f"Stopped: the drain of {who}, in {found.state}; the node stays cordoned\n{found.arn}")
