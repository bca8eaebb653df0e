"""``stepdrain redrive``: failed drains go on from the state that failed."""

from __future__ import annotations

import json
import sys
from operator import itemgetter
from typing import Any

import click

from stepdrain_cli.accounts import drain_lookup, drains
from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.drains import Drain
from stepdrain_cli.accounts.held_instances import why_not_held
from stepdrain_cli.accounts.name_completion import drained_nodes
from stepdrain_cli.commands.options import POLICY_HELP, on_account, typed_policy
from stepdrain_cli.commands.start import begin
from stepdrain_cli.commands.watch import follow
from stepdrain_cli.terminal.exits import FAILED, CommandError
from stepdrain_cli.terminal.node_argument import NODE


@click.command("redrive")
@click.argument("target", type=NODE, metavar="[NODE]", required=False, shell_complete=drained_nodes)
@click.option(
    "--all-failed", is_flag=True, help="Redrive every drain that failed and whose instance is still there."
)
@click.option(
    "--policy",
    "typed",
    multiple=True,
    callback=typed_policy,
    metavar="NAME=VALUE",
    help=f"Change the policy of this drain, which starts it anew. {POLICY_HELP}",
)
@click.option("--watch", is_flag=True, help="Watch the drain until it ends.")
@on_account
def command(
    account: Account, target: str | None, all_failed: bool, typed: dict[str, Any], watch: bool
) -> None:
    """Redrive the failed drain of NODE: it goes on from the state that failed, with a fresh deadline.

    A redrive keeps the drain's policy. With --policy a new drain takes its place instead: from the start,
    with the same lifecycle action, and with what was typed. An instance that is gone is refused, or skipped.
    """
    if bool(target) == all_failed:
        raise CommandError("Say which drain: a NODE, or --all-failed.")
    if target:
        arn = _go_on(account, drain_lookup.find(account, target), typed)
        if watch:
            follow(account, arn)
        return
    if watch:
        raise CommandError("--watch follows one drain; `stepdrain watch` without a NODE follows all.")
    sys.exit(_all(account, typed))


def _all(account: Account, typed: dict[str, Any]) -> int:
    status, failed = 0, _failed(account)
    if not failed:
        click.echo("No drain waits for a redrive.", err=True)
    for drain in failed:
        if gone := why_not_held(account, drain):
            click.echo(f"Skipped: {gone}", err=True)
            continue
        try:
            _go_on(account, drain, typed)
        except CommandError as refused:
            click.echo(refused.message, err=True)
            status = FAILED
    return status


def _failed(account: Account) -> list[Drain]:
    """The failed drain of each instance, where nothing runs for it and nothing has made it good."""
    by_instance: dict[str, list[Drain]] = {}
    for drain, _ in zip(drains.listed(account), range(drains.SEARCHED), strict=False):
        by_instance.setdefault(drain.instance or drain.node or drain.arn, []).append(drain)
    ranked = [
        min(((drain_lookup.urgency(drain, all_of), drain) for drain in all_of), key=itemgetter(0))
        for all_of in by_instance.values()
    ]
    return [drain for (rank, _), drain in ranked if rank == 1]


def _go_on(account: Account, drain: Drain, typed: dict[str, Any]) -> str:
    """Redrive or replace the drain; the ARN of what runs now."""
    if drain.status in drains.RUNNING:
        raise _runs(account, drain)
    if drain.status not in drains.FAILED_STATUSES:
        raise CommandError(
            f"The drain of {drain.who} is {drain.status}: there is nothing to redrive ({drain.arn}).", FAILED
        )
    if gone := why_not_held(account, drain):
        raise CommandError(f"{gone} There is nothing to redrive ({drain.arn}).", FAILED)
    return _replace(account, drain, typed) if typed else _redrive(account, drain)


def _runs(account: Account, drain: Drain) -> CommandError:
    return CommandError(
        f"The drain of {drain.who} runs already; `stepdrain watch {drain.who}{account.flags}` shows it.",
        FAILED,
    )


def _redrive(account: Account, drain: Drain) -> str:
    client = account.client("stepfunctions")
    shown = client.describe_execution(executionArn=drain.arn)
    if shown["status"] in drains.RUNNING:
        raise _runs(account, drain)
    if shown.get("redriveStatus") != "REDRIVABLE":
        why = shown.get("redriveStatusReason") or f"it is {drain.status}"
        raise CommandError(
            f"The drain of {drain.who} cannot be redriven: {why}. "
            f"Start it anew: stepdrain start {drain.instance or drain.who}{account.flags}",
            FAILED,
        )
    client.redrive_execution(executionArn=drain.arn)
    click.echo(f"Redriven: the drain of {drain.who} goes on at {drain.state}\n{drain.arn}")
    return drain.arn


def _replace(account: Account, drain: Drain, typed: dict[str, Any]) -> str:
    shown = account.client("stepfunctions").describe_execution(executionArn=drain.arn)
    document = json.loads(shown.get("input") or "{}")
    policy = {**(document.get("policy") or {}), **typed}
    document |= {"policy": policy, "replaces": drain.name, **_action_left(account, drain, document)}
    arn = begin(account, drain.instance or "node", drains.REPLACES.strip("-"), document)
    changed = ", ".join(f"{name}={_text(value)}" for name, value in typed.items())
    click.echo(f"Started: a new drain of {drain.who} with {changed}, in place of {drain.name}\n{arn}")
    return arn


def _action_left(account: Account, drain: Drain, document: dict[str, Any]) -> dict[str, Any]:
    """The lifecycle action with the time that Auto Scaling still grants it, from the failed drain's start on.

    48 h or 100 heartbeat timeouts: https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html
    """
    action = document.get("lifecycle")
    if not action:
        return {}
    granted = min(172_800, 100 * action["heartbeatTimeout"], action["globalTimeout"])
    left = max(1, int(granted - (account.now() - drain.started)))
    return {"lifecycle": {**action, "globalTimeout": left}}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
