"""``stepdrain start``: drain a node without terminating its instance."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click
from botocore.exceptions import ClientError
from stepdrain.errors import DrainError
from stepdrain.intake.lifecycle_events import HELD
from stepdrain.rules.policy import Policy
from stepdrain.rules.reasons import counted

from stepdrain_cli.accounts import drain_lookup, drains
from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.held_instances import next_of
from stepdrain_cli.accounts.installation import cluster_of, installed
from stepdrain_cli.accounts.name_completion import cluster_nodes
from stepdrain_cli.accounts.targets import Target, target
from stepdrain_cli.commands.options import POLICY_HELP, on_account, typed_policy
from stepdrain_cli.commands.watch import follow
from stepdrain_cli.pictures.chart import duration
from stepdrain_cli.planning import earlier_drains
from stepdrain_cli.planning.plan import Plan, plan
from stepdrain_cli.terminal import tables
from stepdrain_cli.terminal.exits import FAILED, CommandError
from stepdrain_cli.terminal.interaction import ask
from stepdrain_cli.terminal.node_argument import NODE


@click.command("start")
@click.argument("text", type=NODE, metavar="NODE", shell_complete=cluster_nodes)
@click.option(
    "--policy", "typed", multiple=True, callback=typed_policy, metavar="NAME=VALUE", help=POLICY_HELP
)
@click.option("--cluster", metavar="NAME", help="Refuse a node of another cluster than this.")
@click.option("--watch", is_flag=True, help="Watch the drain until it ends.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_account
def command(
    account: Account, text: str, typed: dict[str, Any], cluster: str | None, watch: bool, yes: bool
) -> None:
    """Drain NODE (a node's name, its first label, or an instance id) as for a termination.

    It terminates nothing, and completes the lifecycle action if one holds the instance now. Policies that are
    not typed are the group's and the installation's. Shows what will happen, and asks. `stepdrain undo NODE`
    takes label and cordon back. To drain and terminate, terminate the instance in its Auto Scaling group.
    """
    meant = target(account, text, installed(account))
    if cluster not in (None, meant.enrolment.cluster):
        raise CommandError(f"{meant.name} belongs to cluster {meant.enrolment.cluster}, not to {cluster}.")
    _refuse_second(account, meant)
    for line in _outlook(account, meant, typed):
        tables.say(line, err=True)
    ask(f"Start the drain of {meant.name}?", yes, "Nothing was started.")
    arn = begin(account, meant.instance, "manual", _document(meant, typed))
    click.echo(f"Started: the drain of {meant.name}\n{arn}")
    if watch:
        follow(account, arn)
    else:
        click.echo(f"Next: stepdrain watch {meant.name}{account.flags}", err=True)


def begin(account: Account, instance: str, kind: str, document: dict[str, Any]) -> str:
    """Start an execution named after the instance, so that it is found by its id; its ARN.

    CommandError if somebody has started one with another input in the same second.
    """
    stamp = datetime.fromtimestamp(account.now(), UTC).strftime("%Y%m%dT%H%M%SZ")
    named = {"stateMachineArn": account.machine, "name": f"{instance}-{kind}-{stamp}"}
    try:
        started = account.client("stepfunctions").start_execution(**named, input=json.dumps(document))
    except ClientError as error:
        if error.response["Error"].get("Code") != "ExecutionAlreadyExists":
            raise
        raise CommandError(
            f"Somebody has started a drain of {instance} in this second, with other policies; "
            f"`stepdrain watch {instance}{account.flags}` shows it.",
            FAILED,
        ) from error
    return str(started["executionArn"])


def _document(meant: Target, typed: dict[str, Any]) -> dict[str, Any]:
    # No more than what was typed: FindNode fills in the rest as it is at that moment.
    return {"instanceId": meant.instance, **({"policy": typed} if typed else {})}


def _refuse_second(account: Account, meant: Target) -> None:
    names = {meant.instance, meant.name}
    for drain in (drain for name in names for drain in drain_lookup.matching(account, name)):
        if drain.status in drains.RUNNING:
            raise CommandError(
                f"A drain of {meant.name} runs already, in {drain.state or 'its first state'}; "
                f"`stepdrain watch {meant.name}{account.flags}` shows it ({drain.arn}).",
                FAILED,
            )


def _outlook(account: Account, meant: Target, typed: dict[str, Any]) -> list[str]:
    """What will happen, line by line, as far as it can be known."""
    ours = meant.enrolment
    lines = [
        f"Node {meant.name}, instance {meant.instance}, group {ours.group or 'none'}, cluster {ours.cluster}"
    ]
    lines += earlier_drains.standing(meant.node) if meant.node else []
    lines += _pods(account, meant, {**ours.policy.to_document(), **typed})
    if meant.lifecycle_state in HELD:
        goes_on = next_of(meant.lifecycle_state, {}).format("it")
        lines.append(f"Its lifecycle hook holds it: when it is drained, Auto Scaling goes on and {goes_on}.")
    else:
        lines.append(
            "Its instance is not terminated; the node stays labelled and cordoned until it is undone."
        )
    return lines


def _pods(account: Account, meant: Target, policy: dict[str, Any]) -> list[str]:
    why = meant.unasked
    try:
        found = None
        if meant.node is not None:
            client = cluster_of(account, meant.enrolment.cluster)
            found = plan(client, meant.node["metadata"]["name"], Policy.from_document(policy))
        if found is not None:
            return summary(found)
    except DrainError as error:
        why = str(error)
    return [f"Its pods are not shown, since you cannot read its cluster from here: {why}"]


def summary(found: Plan) -> list[str]:
    """A plan in two lines, and one for each pod that would hold it up."""
    moving = sum(line.wave is not None for line in found.lines)
    held = found.blocked
    pods = counted(len(found.lines), "pod")
    lines = [f"{moving} of {pods} would leave; {len(held)} would hold the drain up now."]
    lines += [f"  {line.pod}: {line.reason}" for line in held]
    return [*lines, f"Expected time: at most {duration(found.expected_s)}, if nothing blocks."]
