"""``stepdrain redrive``: failed drains go on from the state that failed."""

from __future__ import annotations

import sys

import click

from stepdrain_cli import drains
from stepdrain_cli.account import Account
from stepdrain_cli.commands.options import on_account
from stepdrain_cli.drains import Drain
from stepdrain_cli.exits import FAILED, CommandError


@click.command("redrive")
@click.argument("target", metavar="[NODE]", required=False)
@click.option(
    "--all-failed", is_flag=True, help="Redrive the newest drain of every node whose newest drain failed."
)
@on_account
def command(account: Account, target: str | None, all_failed: bool) -> None:
    """Redrive the newest drain of NODE: it goes on from the state that failed, with a fresh deadline."""
    if bool(target) == all_failed:
        raise CommandError("Say which drain: a NODE, or --all-failed.")
    if target:
        _redrive(account, drains.find(account, target))
        return
    refusals = [text for one in _newest_failed(account) if (text := _refusal(account, one))]
    for text in refusals:
        click.echo(text, err=True)
    sys.exit(FAILED if refusals else 0)


def _newest_failed(account: Account) -> list[Drain]:
    newest: dict[str, Drain] = {}
    for one, _ in zip(drains.listed(account), range(drains.SEARCHED), strict=False):
        newest.setdefault(one.instance or one.node or one.arn, one)
    failed = [one for one in newest.values() if one.status in ("FAILED", "TIMED_OUT", "ABORTED")]
    if not failed:
        click.echo("No node's newest drain failed.", err=True)
    return failed


def _refusal(account: Account, drain: Drain) -> str:
    try:
        _redrive(account, drain)
    except CommandError as refused:
        return refused.message
    return ""


def _redrive(account: Account, drain: Drain) -> None:
    found = drains.standing(account, drain)
    who = drain.node or drain.instance or drain.name
    if not found.redrivable:
        why = found.why_not or f"Execution is {drain.status}"
        raise CommandError(f"The drain of {who} cannot be redriven: {why} ({drain.arn}).", FAILED)
    account.client("stepfunctions").redrive_execution(executionArn=drain.arn)
    click.echo(f"Redriven: the drain of {who} goes on at {drain.state}\n{drain.arn}")
