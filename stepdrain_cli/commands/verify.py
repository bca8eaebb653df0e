"""``stepdrain verify``: proof that the deployed installation would drain a node, without draining one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from stepdrain.verification.findings import Result

from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.installation import installed
from stepdrain_cli.commands.options import on_account, stack_of
from stepdrain_cli.terminal import tables
from stepdrain_cli.terminal.exits import DONE, FAILED, CommandError
from stepdrain_cli.terminal.output_formats import JSON, TABLE, YAML, output_option, print_document
from stepdrain_cli.verification import checks, rehearsal, surroundings
from stepdrain_cli.verification.checks import Check
from stepdrain_cli.verification.deployed import Deployed, deployed
from stepdrain_cli.verification.mending import Mender
from stepdrain_cli.verification.rehearsal import Rehearsal

HEAD = ["RESULT", "BY", "WHAT", "SAID"]
MARKDOWN = "markdown"


@click.command("verify")
@click.argument("node", metavar="[NODE]", required=False)
@on_account
@click.option("--message", is_flag=True, help="Send a test message to every subscriber, too.")
@output_option(TABLE, JSON, YAML, MARKDOWN)
def command(account: Account, node: str | None, message: bool, output: str) -> None:
    """Rehearse a drain with the deployed state machine and functions, and check what they cannot see.

    Nothing is changed: reads are sent, and every write is only asked about. NODE is an instance id; without
    it an instance of the installation's groups is taken. Exit status 1: there is something to mend.
    """
    stack = stack_of(click.get_current_context().params.get("stack"), Path())
    made = deployed(account, stack)
    rehearsed = _chosen(account, node)
    found = _found(made, rehearsed)
    if message:
        found.append(_message(made))
    heading = (
        f"stepdrain verify: {rehearsed.cluster}, group {rehearsed.group}, instance {rehearsed.instance_id}"
    )
    if output == MARKDOWN:
        click.echo(checks.markdown(found, heading))
    elif output in (JSON, YAML):
        print_document({"well": checks.well(found), "checks": [one.to_document() for one in found]}, output)
    else:
        _print(found)
    sys.exit(DONE if checks.well(found) else FAILED)


def _found(made: Deployed, rehearsed: Rehearsal) -> list[Check]:
    mender = Mender(made, rehearsed.cluster)
    found = [mender.check(one) for one in rehearsal.findings(made, rehearsed)]
    found += surroundings.checks(made, rehearsed.group, rehearsed.hook)
    unique = {(one.what, one.by): one for one in reversed(found)}
    return list(reversed(unique.values()))


def _print(found: list[Check]) -> None:
    tables.show(HEAD, checks.rows(found))
    for line in checks.commands(found):
        click.echo(f"\n  {line}")
    click.echo(f"\n{checks.verdict(found)}")


def _message(made: Deployed) -> Check:
    try:
        made.call("Notify", {"test": True})
    except CommandError as error:
        return Check("a test message", "Notify", Result.MISSING, str(error))
    return Check("a test message", "Notify", Result.OK)


def _chosen(account: Account, instance_id: str | None) -> Rehearsal:
    """The instance to rehearse with; CommandError if none of our groups has one."""
    own = installed(account)
    for group in _groups(account, own):
        for instance in group["Instances"]:
            if instance_id in (None, instance["InstanceId"]) and instance["LifecycleState"] == "InService":
                name = group["AutoScalingGroupName"]
                return Rehearsal(instance["InstanceId"], own.cluster, name, own.hook_name)
    if instance_id is None:
        raise CommandError(
            "No group of this installation has an instance in service: scale one up, then verify."
        )
    raise CommandError(
        f"{instance_id} is no instance in service of this installation's groups; "
        "without NODE one is chosen. `stepdrain doctor` shows which groups are covered."
    )


def _groups(account: Account, own: Any) -> list[dict[str, Any]]:
    client = account.client("autoscaling")
    names = {"AutoScalingGroupNames": list(own.group_names)} if own.group_names else {}
    pages = client.get_paginator("describe_auto_scaling_groups").paginate(**names)
    found = [one for page in pages for one in page["AutoScalingGroups"]]
    return [one for one in found if one["AutoScalingGroupName"].startswith(own.group_prefix)]
