"""Who is notified when a drain fails: the topic's subscriptions."""

from __future__ import annotations

from dataclasses import dataclass

from stepdrain.rules.reasons import counted
from stepdrain.verification.findings import Result

from stepdrain_cli.terminal.exits import CommandError
from stepdrain_cli.verification.checks import BY, Check
from stepdrain_cli.verification.deployed import Deployed

PENDING = "PendingConfirmation"
"""In place of an ARN until somebody has followed the link in the mail
(https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html)."""


@dataclass(frozen=True)
class Subscribers:
    """Endpoints (addresses, URLs, ARNs) of a topic."""

    confirmed: tuple[str, ...]
    waiting: tuple[str, ...]


def of(deployed: Deployed) -> Subscribers:
    """The subscriptions of the stack's topic."""
    client = deployed.account.client("sns")
    pages = client.get_paginator("list_subscriptions_by_topic").paginate(
        TopicArn=deployed.ids["Notifications"]
    )
    found = [subscription for page in pages for subscription in page["Subscriptions"]]
    waiting = tuple(
        subscription["Endpoint"] for subscription in found if subscription["SubscriptionArn"] == PENDING
    )
    return Subscribers(
        tuple(
            subscription["Endpoint"] for subscription in found if subscription["SubscriptionArn"] != PENDING
        ),
        waiting,
    )


def check(deployed: Deployed) -> Check:
    """Whether a message reaches anybody."""
    what, found = "the topic's subscribers", of(deployed)
    waiting = ", ".join(found.waiting)
    subscribe = (
        f"aws sns subscribe --region {deployed.region} --topic-arn {deployed.ids['Notifications']} "
        "--protocol email --notification-endpoint YOU@EXAMPLE.COM"
    )
    if not found.confirmed and not found.waiting:
        return Check(what, BY, Result.MISSING, "Nobody is notified when a drain fails.", subscribe)
    if not found.confirmed:
        said = f"Nobody has confirmed yet: {waiting}. The link is in AWS's mail, or subscribe again."
        return Check(what, BY, Result.MISSING, said, subscribe)
    if found.waiting:
        return Check(what, BY, Result.DEGRADED, f"Not confirmed yet: {waiting}.")
    return Check(what, BY, Result.OK)


def message(deployed: Deployed) -> Check:
    """Have Notify send a test message to all of them, and say who does not get it."""
    what, by = "a test message", "Notify"
    try:
        deployed.call("Notify", {"test": True})
    except CommandError as error:
        return Check(what, by, Result.MISSING, str(error))
    found = of(deployed)
    waiting = f"; not to {', '.join(found.waiting)}, not confirmed yet" if found.waiting else ""
    return Check(what, by, Result.OK, f"Sent to {counted(len(found.confirmed), 'subscriber')}{waiting}.")
