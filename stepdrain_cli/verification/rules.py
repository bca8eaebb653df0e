"""Rules of EventBridge: whether they are enabled, take the group's events, and are the only ones that do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from stepdrain.verification.findings import Result

from stepdrain_cli.doctor import groups
from stepdrain_cli.doctor.survey import START_DRAIN
from stepdrain_cli.verification.checks import BY, Check
from stepdrain_cli.verification.deployed import Deployed

ALWAYS = ("TerminateRule", "LaunchRule", "StatusRule", "SweepRule")
SWITCHED = {
    "SpotInterruptionRule": "DrainOnSpotInterruption",
    "RebalanceRule": "DrainOnRebalance",
    "HealthRule": "DrainOnHealthEvent",
    "CapacityRule": "DrainOnCapacityEnd",
    "StateChangeRule": "DrainOnStateChange",
}
"""Rules that a parameter switches."""


def wanted(deployed: Deployed) -> list[str]:
    """Logical ids of the rules that have to be enabled with the stack's parameters."""
    on = [rule for rule, name in SWITCHED.items() if deployed.parameters.get(name) == "true"]
    return [*ALWAYS, *on]


def enabled(deployed: Deployed, logical_id: str) -> Check:
    """Whether something comes through the rule."""
    what, name = f"rule {logical_id}", deployed.ids[logical_id]
    events = deployed.account.client("events")
    state = events.describe_rule(Name=name)["State"]
    if state != "ENABLED":
        command = f"aws events enable-rule --region {deployed.region} --name {name}"
        return Check(what, BY, Result.MISSING, f"{name} is {state}: nothing comes through it.", command)
    if not events.list_targets_by_rule(Rule=name)["Targets"]:
        return Check(what, BY, Result.MISSING, f"{name} has no target.", "sam build && sam deploy")
    return Check(what, BY, Result.OK)


def taken(deployed: Deployed, group: str, hook: str) -> Check:
    """Whether the rule for terminations takes an event about the group and the hook."""
    what = f"an event about group {group}"
    events = deployed.account.client("events")
    rule = events.describe_rule(Name=deployed.ids["TerminateRule"])
    if _takes(deployed, rule, group, hook):
        return Check(what, BY, Result.OK)
    said = f"Rule {rule['Name']} does not take it: another hook's name, or a group that it does not serve."
    return Check(what, BY, Result.MISSING, said, _serve(deployed, group, hook))


def _serve(deployed: Deployed, group: str, hook: str) -> str:
    """The parameters with which the rule takes the event; groups that are served stay."""
    served = [group for group in deployed.parameters.get("GroupNames", "").split(",") if group]
    names = f"GroupNames={','.join([*served, group])} " if served and group not in served else ""
    return f"sam deploy --stack-name {deployed.stack} --parameter-overrides {names}HookName={hook}"


def others(deployed: Deployed, group: str, hook: str) -> Check:
    """Whether another installation takes the same events: each instance would be drained twice."""
    what = f"other installations that drain group {group}"
    found = [
        (stack, rule["Name"]) for stack, rule in _foreign(deployed) if _takes(deployed, rule, group, hook)
    ]
    if not found:
        return Check(what, BY, Result.OK)
    named = ", ".join(f"{rule} of stack {stack}" for stack, rule in found)
    said = f"{named} takes this group's events, too: each instance is drained twice."
    stack, rule = found[0]
    command = (
        f"aws events disable-rule --region {deployed.region} --name {rule}"
        f"  # then give stack {stack} a HookName or GroupNames of its own"
    )
    return Check(what, BY, Result.MISSING, said, command)


def _foreign(deployed: Deployed) -> Iterator[tuple[str, Any]]:
    """Rules for Auto Scaling's events that hand them to the StartDrain of another stack."""
    events = deployed.account.client("events")
    for page in events.get_paginator("list_rules").paginate():
        for rule in page["Rules"]:
            pattern = json.loads(rule.get("EventPattern") or "{}")
            if rule["State"] != "ENABLED" or "aws.autoscaling" not in pattern.get("source", ()):
                continue
            for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                named = START_DRAIN.search(target["Arn"])
                if named and named[1] != deployed.stack:
                    yield named[1], rule


def _takes(deployed: Deployed, rule: Any, group: str, hook: str) -> bool:
    account = rule["Arn"].split(":")[4]
    sent = json.dumps(groups.event(group, hook, account, deployed.region))
    client = deployed.account.client("events")
    return bool(client.test_event_pattern(EventPattern=rule["EventPattern"], Event=sent)["Result"])
