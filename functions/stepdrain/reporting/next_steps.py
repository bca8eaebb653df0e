"""What a person can do about a drain that stopped: the same commands in mail, chat, Events and ``status``."""

from __future__ import annotations

from stepdrain.reporting import links

MACHINE = "-DrainNode"
DEFAULT_STACK = "stepdrain"
ANEW = ("NodeNotFound", "InvalidEvent", "ClusterNotFound", "States.Runtime")
"""The cause is in the drain's input, which a redrive keeps: fix it, then start a new drain."""
OVER = ("LifecycleActionExpired",)
POLICY = {"DrainRefused": "evictUnmanaged=true", "DrainTimedOut": "onTimeout=force"}
"""Errors that another policy can end, each with the one that is meant most often."""
Steps = list[tuple[str, str]]


def flags(arn: str) -> str:
    """The options that lead a command to the account of an execution, each with a blank before it."""
    region, machine = arn.split(":")[3], arn.split(":")[6]
    stack = machine.removesuffix(MACHINE)
    own = f" --stack {stack}" if machine.endswith(MACHINE) and stack != DEFAULT_STACK else ""
    return f" --region {region}{own}"


def after(error: str, who: str, options: str) -> Steps:
    """(what it is for, command) one after the other. ``who``: a node's name, an instance id, or an ARN.

    ``options`` go behind each command.
    """
    if error in OVER:
        return [
            (
                "Auto Scaling has gone on with the instance; to use its node again, if it stays:",
                _undo(who, options),
            )
        ]
    if error in ANEW:
        return [("Fix the cause, then start the drain anew:", f"stepdrain start {who}{options}")]
    steps = [
        ("Fix the cause, then let the drain continue from this state:", f"stepdrain redrive {who}{options}")
    ]
    if error in POLICY:
        changed = f"stepdrain redrive {who} --policy {POLICY[error]}{options}"
        steps.append(("Or go on with another policy:", changed))
    return [*steps, ("Or give the node back, with its label and cordon taken away:", _undo(who, options))]


def _undo(who: str, options: str) -> str:
    return f"stepdrain undo {who}{options}"


def without_the_command_line(error: str, arn: str) -> Steps:
    """The redrive by the AWS CLI, where one helps."""
    if error in (*OVER, *ANEW):
        return []
    command = f"aws stepfunctions redrive-execution --region {arn.split(':')[3]} --execution-arn {arn}"
    return [("Without the command line stepdrain:", command)]


def where(error: str, arn: str, runbook: str = "") -> Steps:
    """(name, link): the runbook's section, and the execution in the console where there is one."""
    found = [("Runbook", links.runbook(error, runbook)), ("Console", links.execution(arn.split(":")[3], arn))]
    return [step for step in found if step[1]]
