"""Whether an instance is still there to be drained, and whether a lifecycle hook holds it, until when."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
from botocore.exceptions import ClientError
from stepdrain.adapters.aws import Aws
from stepdrain.clock import to_rfc3339
from stepdrain.errors import DrainError
from stepdrain.intake.lifecycle_events import HELD

from stepdrain_cli.accounts import drain_lookup, drains
from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.drains import Drain
from stepdrain_cli.pictures.chart import duration

OVER = ("shutting-down", "terminated")
NEXT = {
    "EC2": "terminates {}",
    "AutoScalingGroup": "replaces the root volume of {}",
    "WarmPool": "puts {} into the warm pool",
}
"""What Auto Scaling does with an instance that a terminating hook has held, by the action's destination
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/warm-pools-eventbridge-events.html)."""


def why_not_held(account: Account, drain: Drain) -> str:
    """A sentence if a redrive would drain nothing, "" if the instance is there (or the drain has none).

    Gone is what EC2 no longer knows or is ending, and, where a lifecycle action held the instance, what
    Auto Scaling no longer keeps waiting.
    """
    if not drain.instance:
        return ""
    state = _ec2_state(account, drain.instance)
    if state in ("", *OVER):
        return f"Instance {drain.instance} of {drain.who} is gone ({state or 'EC2 no longer knows it'})."
    if not drain.held:
        return ""
    held = Aws(account.session).lifecycle_state(drain.instance)
    # Also a launch hook's wait, which an admission of the node ends.
    if held.endswith(":Wait"):
        return ""
    now = held or "it is in no group"
    return f"Auto Scaling no longer holds instance {drain.instance} of {drain.who} ({now})."


def _ec2_state(account: Account, instance: str) -> str:
    try:
        answer = account.client("ec2").describe_instances(InstanceIds=[instance])
    except ClientError as error:
        if "InvalidInstanceID" not in error.response["Error"].get("Code", ""):
            raise
        return ""
    states = [
        instance["State"]["Name"] for found in answer["Reservations"] for instance in found["Instances"]
    ]
    return states[0] if states else ""


@dataclass(frozen=True)
class Hold:
    """An instance that a terminating lifecycle hook holds.

    ``goes_on`` is what Auto Scaling does with it afterwards. ``action`` is the ``lifecycle`` of the drain
    that knows the hook, None if no drain does; ``until`` the epoch second at which the hook's time is over
    as far as that drain knows, None if it is unknown or past.
    """

    instance: str
    goes_on: str
    action: Mapping[str, Any] | None
    until: float | None

    def warning(self, now: float) -> str:
        """That the instance goes, and when; ``now`` in epoch seconds."""
        when = "when its lifecycle hook's time is over"
        if self.until is not None:
            left = duration(round(self.until - now))
            when = f"in {left}, at {to_rfc3339(self.until)}, unless it is held longer"
        return f"Auto Scaling {self.goes_on} all the same: {when}."

    def commands(self, options: str) -> list[str]:
        """What to type to hold it longer, or to let it go; none if no drain knows the hook."""
        if self.action is None:
            return []
        named = (
            f"--auto-scaling-group-name {shlex.quote(self.action['group'])} --lifecycle-hook-name "
            f"{shlex.quote(self.action['hook'])} --instance-id {self.instance}{options}"
        )
        again = duration(self.action["heartbeatTimeout"])
        return [
            f"To hold it for {again} from now: aws autoscaling record-lifecycle-action-heartbeat {named}",
            f"To let it go now: aws autoscaling complete-lifecycle-action {named} "
            "--lifecycle-action-result CONTINUE",
        ]


def hold(account: Account, instance: str) -> Hold | None:
    """How a lifecycle hook holds the instance that is on its way out; None if none does.

    Raises DrainError if Auto Scaling gives no answer, and what botocore raises.
    """
    state = Aws(account.session).lifecycle_state(instance)
    if state not in HELD:
        return None
    # Newest first: a redrive and a drain in a failed one's place carry the same action.
    known = [
        drains.standing(account, drain) for drain in drain_lookup.matching(account, instance) if drain.held
    ]
    action = known[0].line.document.get("lifecycle") if known else None
    goes_on = next_of(state, action or {}).format(f"instance {instance}")
    if not known:
        return Hold(instance, goes_on, None, None)
    times = [found.heartbeat_until for found in known if found.heartbeat_until is not None]
    until = max((time for time in times if time > account.now()), default=None)
    return Hold(instance, goes_on, action, until)


def next_of(state: str, action: Mapping[str, Any]) -> str:
    """What Auto Scaling does next with an instance that is in one of HELD; {} stands for the instance.

    ``action`` is the ``lifecycle`` of its drain, empty if none is known.
    """
    origin, destination = HELD[state]
    # Only the event says whether an instance of the group is on its way to a warm pool.
    if origin == action.get("origin") and action.get("destination") == "WarmPool":
        destination = "WarmPool"
    return NEXT[destination]


def warn_of_its_end(account: Account, instance: str | None) -> list[str]:
    """Say on stderr if a lifecycle hook holds the instance, and until when; what can be typed about it.

    The commands are for the caller to show once it has done its own part. Raises what botocore raises.
    """
    try:
        found = hold(account, instance) if instance else None
    except DrainError as error:
        click.echo(f"Note: whether a lifecycle hook holds the instance is not known: {error}", err=True)
        return []
    if found is None:
        return []
    click.echo(found.warning(account.now()), err=True)
    return found.commands(account.aws_options)
