"""Which drain a name means that a person types: a node, an instance, or an execution."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from botocore.exceptions import ClientError

from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.drains import (
    FAILED_STATUSES,
    INSTANCE,
    REPLACES,
    RUNNING,
    SEARCHED,
    Drain,
    drain_of,
    executions,
)
from stepdrain_cli.accounts.installation import shares_functions
from stepdrain_cli.accounts.node_names import with_private_name
from stepdrain_cli.terminal.exits import CommandError


def find(account: Account, target: str) -> Drain:
    """The drain that ``target`` means: a node (name, or its first label), an instance, or an execution.

    Of several drains of an instance: one that runs, else one that failed and is not made good, else the
    newest. CommandError if there is none, or if the name means several nodes.
    """
    if target.startswith("arn:"):
        return _by_arn(account, target)
    found = matching(account, target) or _of_its_instance(account, target)
    if not found:
        raise _unknown(account, target)
    return min(_of_one_node(target, found), key=lambda one: urgency(one, found))


def _unknown(account: Account, target: str) -> CommandError:
    machine, region = account.machine.split(":")[6], account.session.region_name
    among = f"among the newest {SEARCHED} of {machine} in {region}"
    if INSTANCE.fullmatch(target):
        what = f"No drain of instance {target} is {among}"
    elif re.fullmatch(r"i-\w+", target):
        no_id = f"{target} is no instance id (i- and 8 or 17 digits from 0 to f)"
        what = f"{no_id}, and no drain of that name is {among}"
    else:
        what = f"No drain of a node called {target}, or whose name begins with {target} and a dot, is {among}"
    return CommandError(f"{what}; `stepdrain list{account.flags}` shows the names.")


def _of_its_instance(account: Account, name: str) -> list[Drain]:
    """Drains that ended before they had found their node: what is known of them is the instance alone."""
    try:
        instances = with_private_name(account, name)
    except ClientError:
        # Who may not ask EC2 is told that there is none of that name, and how to list them.
        return []
    return [drain for instance in instances for drain in matching(account, instance)]


def _by_arn(account: Account, arn: str) -> Drain:
    parts = arn.split(":")
    shows = f"`stepdrain list -o wide{account.flags}` shows them"
    if len(parts) < 8 or parts[2] != "states" or parts[5] != "execution":
        raise CommandError(f"{arn} is not the ARN of an execution; {shows}.")
    if parts[3] != account.session.region_name:
        raise CommandError(f"{arn} is in another region: add --region {parts[3]}.")
    machine = account.machine.split(":")
    other = ":".join([*parts[:5], "stateMachine", parts[6]])
    if parts[4] != machine[4] or (parts[6] != machine[6] and not shares_functions(account, other)):
        raise CommandError(
            f"{arn} is an execution of {parts[6]} in account {parts[4]}, not of {machine[6]} in "
            f"{machine[4]}; {shows}. Name another installation with --stack or --state-machine."
        )
    client = account.client("stepfunctions")
    try:
        return drain_of(client, client.describe_execution(executionArn=arn))
    except ClientError as error:
        if error.response["Error"].get("Code") != "ExecutionDoesNotExist":
            raise
        raise CommandError(f"There is no execution {arn}; {shows}.") from error


def matching(account: Account, target: str) -> list[Drain]:
    """All drains that ``target`` can mean, newest first: by their names, and by what stands in them.

    None for "", which is what a drain that has found no node has for a name.
    """
    if not target:
        return []
    client = account.client("stepfunctions")
    running = executions(client, account.machine, "RUNNING")
    newest = islice(executions(client, account.machine), SEARCHED)
    listed = {execution["executionArn"]: execution for execution in [*newest, *running]}
    wanted = (
        drain_of(client, execution) for execution in listed.values() if _may_mean(execution["name"], target)
    )
    found = [
        drain
        for drain in wanted
        if target in (drain.instance, drain.node, drain.node.split(".")[0], drain.name)
    ]
    return sorted(found, key=lambda one: (one.started, one.name), reverse=True)


def _may_mean(name: str, target: str) -> bool:
    """Whether an execution of that name has to be read: one named after another instance has not."""
    named = INSTANCE.match(name)
    return named is None or not INSTANCE.fullmatch(target) or named[0] == target


def urgency(drain: Drain, among: Iterable[Drain]) -> tuple[int, float]:
    """By which the drains of an instance are ordered, the first is meant: running, failed, done; newest."""
    rank = 2
    if drain.status in RUNNING:
        rank = 0
    elif drain.status in FAILED_STATUSES and not _made_good(drain, among):
        rank = 1
    return rank, -drain.started


def _made_good(failed: Drain, among: Iterable[Drain]) -> bool:
    """Whether a later drain of the instance has done what this one should: ended its wait, or replaced it."""
    later = [drain for drain in among if drain.started > failed.started and _same(drain, failed)]
    return any(REPLACES in drain.name or (drain.status == "SUCCEEDED" and drain.held) for drain in later)


def _same(one: Drain, other: Drain) -> bool:
    """Whether both drained the same machine; of what neither knows nothing follows."""
    if one.instance or other.instance:
        return one.instance == other.instance
    return bool(one.node) and one.node == other.node


def _of_one_node(target: str, found: list[Drain]) -> list[Drain]:
    """The drains of the newest instance among them: node names are used again, instance ids are not."""
    meant = sorted({drain.node or drain.instance or drain.name for drain in found})
    if len(meant) > 1:
        raise CommandError(f"{target} can mean {', '.join(meant)}: give the whole name or the instance id.")
    newest = next((drain.instance for drain in found if drain.instance), "")
    return [drain for drain in found if drain.instance in (newest, "")]
