"""Whether the instance of a failed drain is still there to be drained."""

from __future__ import annotations

from botocore.exceptions import ClientError
from stepdrain.adapters.aws import Aws

from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.drains import Drain

OVER = ("shutting-down", "terminated")


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
