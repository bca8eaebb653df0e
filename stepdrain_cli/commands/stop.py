"""``stepdrain stop``: end a running drain."""

from __future__ import annotations

import click

from stepdrain_cli.accounts import drain_lookup, drains
from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.held_instances import warn_of_its_end
from stepdrain_cli.accounts.name_completion import drained_nodes
from stepdrain_cli.commands.options import on_account
from stepdrain_cli.terminal.exits import FAILED, CommandError
from stepdrain_cli.terminal.interaction import ask
from stepdrain_cli.terminal.node_argument import NODE

LONGEST_CAUSE = 32_768
"""Characters (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html)."""


@click.command("stop")
@click.argument("target", type=NODE, metavar="NODE", shell_complete=drained_nodes)
@click.option(
    "--cause", default="stopped by an operator", show_default=True, help="Why; it stands in the history."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_account
def command(account: Account, target: str, cause: str, yes: bool) -> None:
    """Stop the running drain of NODE. Its node stays labelled and cordoned: `stepdrain undo` takes that back.

    If a hook holds the instance, it does so for one heartbeat timeout more. A stopped drain can be redriven.
    """
    found = drain_lookup.find(account, target)
    if len(cause) > LONGEST_CAUSE:
        raise CommandError(f"--cause has {len(cause)} characters, and Step Functions takes {LONGEST_CAUSE}.")
    who, state = found.who, found.state or "its first state"
    if found.status not in drains.RUNNING:
        raise CommandError(
            f"The drain of {who} does not run: it is {found.status} ({found.arn}); "
            f"`stepdrain status {who}{account.flags}` shows how it ended, and what to type next.",
            FAILED,
        )
    goes_on = warn_of_its_end(account, found.instance)
    ask(f"Stop the drain of {who} in {state}?", yes, "Nothing was stopped.")
    account.client("stepfunctions").stop_execution(executionArn=found.arn, error="Stopped", cause=cause)
    click.echo(f"Stopped: the drain of {who}, in {state}\n{found.arn}")
    click.echo(
        f"The node keeps its label and its cordon. To go on: stepdrain redrive {who}{account.flags}\n"
        f"To use the node again: stepdrain undo {who}{account.flags}",
        err=True,
    )
    for line in goes_on:
        click.echo(line, err=True)
