"""State machines that a key of the account's own encrypts: who may read and run them.

Whoever reads an execution needs kms:Decrypt, and the role of the machine kms:GenerateDataKey, too, with the
state machine's ARN as encryption context. Starting, stopping, redriving and listing need no right to the key.
The key's own policy is taken to leave everything to IAM.

https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stepdrain_sandbox.aws import simulation

Json = dict[str, Any]
READING = (
    "DescribeExecution",
    "GetExecutionHistory",
    "DescribeStateMachine",
    "DescribeStateMachineForExecution",
)
REFUSAL = "KmsAccessDeniedException"
CONTEXT = "kms:EncryptionContext:aws:states:stateMachineArn"


@dataclass(frozen=True)
class Encryption:
    """The ARN of a state machine's key, and the name of the role that the machine runs with."""

    key: str
    role: str


def refusal(
    operation: str,
    parameters: Json,
    caller: str | None,
    encrypted: Mapping[str, Encryption],
    policies: Mapping[str, list[Json]],
) -> tuple[str, str] | None:
    """Code and message with which Step Functions refuses a call; None if it does not.

    ``caller`` is the name of the calling role, None for a person, who may use the key. ``encrypted`` has the
    encrypted machines by ARN, ``policies`` the statements of each role. That a start is refused where the
    machine's role lacks a right is assumed: the page does not say how a start that fails shows.
    """
    machine = machine_of(parameters)
    encryption = encrypted.get(machine)
    if encryption is None:
        return None
    context = {CONTEXT: machine}
    if caller and operation in READING and parameters.get("includedData") != "METADATA_ONLY":
        region = machine.split(":")[3]
        via = {"kms:ViaService": f"states.{region}.amazonaws.com"}
        return _denied(caller, ("kms:Decrypt",), encryption.key, context | via, policies)
    if operation == "StartExecution":
        # Step Functions uses the key with the machine's role itself: a condition kms:ViaService is never met.
        needed = ("kms:Decrypt", "kms:GenerateDataKey")
        return _denied(encryption.role, needed, encryption.key, context, policies)
    return None


def machine_of(parameters: Json) -> str:
    """ARN of the state machine that a request names, itself or by an execution; "" if it names none."""
    arn = parameters.get("stateMachineArn") or parameters.get("executionArn") or ""
    return ":".join(str(arn).replace(":execution:", ":stateMachine:").split(":")[:7])


def _denied(
    role: str,
    actions: tuple[str, ...],
    key: str,
    context: Mapping[str, str],
    policies: Mapping[str, list[Json]],
) -> tuple[str, str] | None:
    asked: Json = {
        "ActionNames": list(actions),
        "ResourceArns": [key],
        "ContextEntries": [
            {"ContextKeyName": name, "ContextKeyValues": [value]} for name, value in context.items()
        ],
    }
    for result in simulation.evaluated(policies[role], asked):
        if result["EvalDecision"] != "allowed":
            return (
                REFUSAL,
                f"{role} is not authorized to perform: {result['EvalActionName']} on resource: {key}",
            )
    return None
