"""What no function sees: hooks, rules, schedule, subscriptions, dead letters, quotas."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from stepdrain.rules.reasons import counted
from stepdrain.verification.findings import Result

from stepdrain_cli.doctor import groups
from stepdrain_cli.verification.checks import Check
from stepdrain_cli.verification.deployed import Deployed

Json = dict[str, Any]
BY = "verify"
RULES = ("TerminateRule", "StatusRule", "SweepRule")
FEW_CONCURRENT = 200
"""Accounts with fewer concurrent executions poll instead of watching (docs/operations.md)."""


def checks(deployed: Deployed, group: str, hook: str) -> Iterator[Check]:
    """A check for each of them; one that the user may not look at is UNKNOWN, and names the permission."""
    for what, look in (
        (f"the hook {hook} of group {group}", lambda: _hook(deployed, group, hook)),
        ("the rule for terminations", lambda: _event(deployed, group, hook)),
        *((f"rule {name}", lambda name=name: _rule(deployed, name)) for name in RULES),
        ("the topic's subscribers", lambda: _subscribers(deployed)),
        ("dead letters", lambda: _dead_letters(deployed)),
        ("concurrent executions", lambda: _concurrency(deployed, group)),
    ):
        yield _looked(what, look)


def _looked(what: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except (ClientError, BotoCoreError) as error:
        return unseen(what, error)


def unseen(what: str, error: Exception) -> Check:
    """A check that the user may not make; AWS's own words name the permission."""
    return Check(what, BY, Result.UNKNOWN, f"You cannot look: {str(error).splitlines()[0]}")


def _hook(deployed: Deployed, group: str, hook: str) -> Check:
    what = f"the hook {hook} of group {group}"
    client = deployed.account.client("autoscaling")
    found = client.describe_lifecycle_hooks(AutoScalingGroupName=group)["LifecycleHooks"]
    ours = next((one for one in found if one["LifecycleHookName"] == hook), None)
    command = groups.put_hook({"AutoScalingGroupName": group}, hook, deployed.region)
    if ours is None:
        others = ", ".join(one["LifecycleHookName"] for one in found) or "none"
        return Check(what, BY, Result.MISSING, f"The group has no such hook; it has: {others}.", command)
    wrong = groups.wrong(ours)
    return Check(what, BY, Result.MISSING if wrong else Result.OK, "; ".join(wrong), command if wrong else "")


def _event(deployed: Deployed, group: str, hook: str) -> Check:
    what = f"an event about group {group}"
    events = deployed.account.client("events")
    rule = events.describe_rule(Name=deployed.ids["TerminateRule"])
    account = rule["Arn"].split(":")[4]
    sent = json.dumps(groups.event(group, hook, account, deployed.region))
    if events.test_event_pattern(EventPattern=rule["EventPattern"], Event=sent)["Result"]:
        return Check(what, BY, Result.OK)
    said = f"Rule {rule['Name']} does not take it: another hook's name, or a group that it does not serve."
    return Check(
        what, BY, Result.MISSING, said, f"sam deploy --parameter-overrides GroupNames={group} HookName={hook}"
    )


def _rule(deployed: Deployed, logical_id: str) -> Check:
    name = deployed.ids[logical_id]
    events = deployed.account.client("events")
    rule = events.describe_rule(Name=name)
    what = f"rule {logical_id}"
    if rule["State"] != "ENABLED":
        command = f"aws events enable-rule --region {deployed.region} --name {name}"
        return Check(
            what, BY, Result.MISSING, f"{name} is {rule['State']}: nothing comes through it.", command
        )
    if not events.list_targets_by_rule(Rule=name)["Targets"]:
        return Check(what, BY, Result.MISSING, f"{name} has no target.", "sam build && sam deploy")
    return Check(what, BY, Result.OK)


def _subscribers(deployed: Deployed) -> Check:
    what, topic = "the topic's subscribers", deployed.ids["Notifications"]
    pages = (
        deployed.account.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    )
    found = [one for page in pages for one in page["Subscriptions"]]
    subscribe = (
        f"aws sns subscribe --region {deployed.region} --topic-arn {topic} --protocol email "
        "--notification-endpoint YOU@EXAMPLE.COM"
    )
    waiting = [one["Endpoint"] for one in found if one["SubscriptionArn"] == "PendingConfirmation"]
    if not found:
        return Check(what, BY, Result.MISSING, "Nobody is told when a drain fails.", subscribe)
    if len(waiting) == len(found):
        return Check(what, BY, Result.MISSING, f"Nobody has confirmed yet: {', '.join(waiting)}.", subscribe)
    said = f"{', '.join(waiting)} have not confirmed." if waiting else ""
    return Check(what, BY, Result.DEGRADED if waiting else Result.OK, said)


def _dead_letters(deployed: Deployed) -> Check:
    url = deployed.ids["DeadLetters"]
    asked = ["ApproximateNumberOfMessages"]
    found = deployed.account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=asked)[
        "Attributes"
    ]
    count = int(found[asked[0]])
    events = counted(count, "event")
    said = f"{events} could not be handled; docs/operations.md says what each means." if count else ""
    command = (
        f"aws sqs receive-message --region {deployed.region} --queue-url {url} --message-attribute-names All"
        if count
        else ""
    )
    return Check("dead letters", BY, Result.MISSING if count else Result.OK, said, command)


def _concurrency(deployed: Deployed, group: str) -> Check:
    what = "concurrent executions of the account"
    limit = deployed.account.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    size = _size(deployed, group)
    raise_it = (
        f"aws service-quotas request-service-quota-increase --region {deployed.region} --service-code lambda "
        f"--quota-code L-B99A9384 --desired-value {max(1000, 4 * size)}"
    )
    if limit < size:
        said = f"{limit} are allowed, and group {group} may have {size} instances that go at once."
        return Check(what, BY, Result.MISSING, said, raise_it)
    if limit < FEW_CONCURRENT:
        said = f"{limit} are allowed: with fewer than {FEW_CONCURRENT} set waiting to polling."
        return Check(what, BY, Result.DEGRADED, said, raise_it)
    return Check(what, BY, Result.OK)


def _size(deployed: Deployed, group: str) -> int:
    client = deployed.account.client("autoscaling")
    (found,) = client.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
    return int(found["MaxSize"])
