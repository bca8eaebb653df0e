"""``stepdrain start``: drain a node without terminating its instance."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import click
from stepdrain.rules.policy import Policy

from stepdrain_cli import drains
from stepdrain_cli.account import Account
from stepdrain_cli.commands.options import POLICY_HELP, on_account, policy_of
from stepdrain_cli.exits import FAILED, CommandError

NAME_CHARACTERS = 80
"""The longest execution name (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html)."""


@click.command("start")
@click.argument("target", metavar="NODE")
@click.option("--cluster", required=True, metavar="NAME", help="The EKS cluster the node is in.")
@click.option("--policy", multiple=True, callback=policy_of, metavar="NAME=VALUE", help=POLICY_HELP)
@on_account
def command(account: Account, target: str, cluster: str, policy: Policy) -> None:
    """Drain NODE (a node's name or an instance id) as for a termination, but terminate nothing.

    To drain and terminate, terminate the instance in its Auto Scaling group: the hook starts the drain.
    """
    client = account.client("stepfunctions")
    _refuse_second(client, account.machine, target)
    stamp = datetime.fromtimestamp(account.now(), UTC).strftime("%Y%m%d%H%M%S")
    safe = re.sub(r"[^0-9A-Za-z_-]", "-", target)[: NAME_CHARACTERS - len(stamp) - 1]
    started = client.start_execution(
        stateMachineArn=account.machine,
        name=f"{safe}-{stamp}",
        input=json.dumps(_document(target, cluster, policy)),
    )
    click.echo(f"Started: the drain of {target}\n{started['executionArn']}")


def _document(target: str, cluster: str, policy: Policy) -> dict[str, Any]:
    named = {"instanceId": target} if drains.INSTANCE.fullmatch(target) else {"nodeName": target}
    return {**named, "cluster": cluster, "reason": "manual", "policy": policy.to_document()}


def _refuse_second(client: Any, machine: str, target: str) -> None:
    running = client.list_executions(stateMachineArn=machine, statusFilter="RUNNING", maxResults=1000)[
        "executions"
    ]
    for one in running:
        shown = json.loads(client.describe_execution(executionArn=one["executionArn"])["input"])
        if target in (shown.get("instanceId"), shown.get("nodeName")):
            raise CommandError(f"A drain of {target} runs already: {one['executionArn']}.", FAILED)
