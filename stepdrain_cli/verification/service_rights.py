"""What AWS services do with a function's or a state machine's role: no function can try that itself.

Lambda writes the log, takes messages from a queue, hands failed events on and attaches network interfaces;
Step Functions invokes functions and delivers logs; both send traces; SNS, Lambda and Step Functions use the
key. IAM's simulator says what the roles' policies allow, permissions boundaries included
(https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepdrain.verification import kube_rights
from stepdrain.verification.findings import Finding, Remedy, Result

from stepdrain_cli.verification.deployed import Deployed
from stepdrain_deployed import ADMIT_NODE, DRAIN_NODE

LOG = ("logs:CreateLogStream", "logs:PutLogEvents")
TAKE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
KEY = ("kms:Decrypt", "kms:GenerateDataKey")
READ_NETWORK = ("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets")
ATTACH = (
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)
TRACE = (
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
)
DELIVER = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)


def _functions(definition: Path) -> tuple[str, ...]:
    states = json.loads(definition.read_text())["States"].values()
    named = [state["Parameters"]["FunctionName"] for state in states if state["Type"] == "Task"]
    return tuple(dict.fromkeys(name.removeprefix("${").removesuffix("FunctionArn}") for name in named))


MACHINES = {name: _functions(file) for name, file in (("DrainNode", DRAIN_NODE), ("AdmitNode", ADMIT_NODE))}
"""The functions that each invokes."""
READERS = ("StartDrain", "Sweep", "Uncordon", "Notify")
"""The functions that read executions."""


@dataclass(frozen=True)
class Use:
    """Actions that a service takes on one resource (an ARN, or *) with the role of ``by``."""

    by: str
    actions: tuple[str, ...]
    resource: str
    needed: bool = True
    """False where a drain goes on without, with less to read afterwards."""
    of: str = ""
    """What the resource is, where one action is used on several."""
    context: tuple[tuple[str, str], ...] = ()
    """Condition keys of the request and their values: by which service a key is used, and for what."""


def findings(deployed: Deployed) -> Iterator[Finding]:
    """A finding for each action of each role; raises what botocore raises if IAM may not be asked."""
    for use in uses(deployed):
        yield from _simulated(deployed, use)


def uses(deployed: Deployed) -> Iterator[Use]:
    """What the services do in this installation, with the parameters that it has."""
    made = Arns(deployed)
    functions = [name.removesuffix("Function") for name in deployed.ids if name.endswith("Function")]
    for name in functions:
        yield Use(name, LOG, made.log_stream(name), needed=False)
    for name in ("StartDrain", "Sweep", "Notify"):
        yield Use(name, ("sqs:SendMessage",), made.queue("DeadLetters"))
    yield Use("StartDrain", TAKE, made.queue("Notices"))
    yield Use("Notify", KEY, made.key())
    for machine, invoked in MACHINES.items():
        for name in invoked:
            yield Use(machine, ("lambda:InvokeFunction",), made.function(name), of=name)
        yield Use(machine, DELIVER, "*", needed=False)
    if deployed.parameters.get("SubnetIds"):
        for name in kube_rights.RIGHTS:
            yield Use(name, READ_NETWORK, "*")
            yield Use(name, ATTACH, made.network_interface())
    if deployed.parameters.get("Tracing") == "true":
        yield from (Use(name, TRACE, "*", needed=False) for name in (*functions, *MACHINES))
    if deployed.parameters.get("KmsKeyArn"):
        for name in functions:
            yield Use(name, KEY, made.key(), of="its environment", context=(made.via("lambda"),))
        yield from _encrypted_executions(made)


def _encrypted_executions(made: Arns) -> Iterator[Use]:
    """https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html"""
    for machine in MACHINES:
        yield Use(machine, KEY, made.key(), of="its executions", context=(made.executions(machine),))
        yield Use(machine, KEY[1:], made.key(), of="its logs", context=(made.logs(),), needed=False)
    for name in READERS:
        context = (made.via("states"), made.executions("DrainNode"))
        yield Use(name, KEY[:1], made.key(), of="executions", context=context)


@dataclass(frozen=True)
class Arns:
    """ARNs of what the stack has made, from their physical ids."""

    deployed: Deployed

    def _arn(self, service: str, resource: str, *, regional: bool = True) -> str:
        _, partition, _, region, account, *_ = self.deployed.stack_arn.split(":")
        return f"arn:{partition}:{service}:{region if regional else ''}:{account}:{resource}"

    def role(self, name: str) -> str:
        """Of a function or a state machine."""
        return self._arn("iam", f"role/{self.deployed.role(name)}", regional=False)

    def function(self, name: str) -> str:
        """A function's, without a version."""
        return self._arn("lambda", f"function:{self.deployed.function(name)}")

    def queue(self, logical_id: str) -> str:
        """A queue's physical id is its URL."""
        return self._arn("sqs", self.deployed.ids[logical_id].rsplit("/", 1)[-1])

    def log_stream(self, name: str) -> str:
        """Some stream of the function's log group."""
        return self._arn("logs", f"log-group:{self.deployed.ids[f'{name}LogGroup']}:log-stream:verify")

    def network_interface(self) -> str:
        """Some interface of the account."""
        return self._arn("ec2", "network-interface/eni-00000000000000000")

    def key(self) -> str:
        """The given key's, or that of the stack's own."""
        given = self.deployed.parameters.get("KmsKeyArn")
        return given or self._arn("kms", f"key/{self.deployed.ids['Key']}")

    def via(self, service: str) -> tuple[str, str]:
        """A key is used by this service in the role's name."""
        suffix = "amazonaws.com.cn" if ":aws-cn:" in self.deployed.stack_arn else "amazonaws.com"
        return "kms:ViaService", f"{service}.{self.deployed.region}.{suffix}"

    def executions(self, machine: str) -> tuple[str, str]:
        """A key is used for the executions of this state machine."""
        return "kms:EncryptionContext:aws:states:stateMachineArn", self.deployed.ids[machine]

    def logs(self) -> tuple[str, str]:
        """A key is used for logs on their way."""
        return "kms:EncryptionContext:SourceArn", self._arn("logs", "*")


def _simulated(deployed: Deployed, use: Use) -> Iterator[Finding]:
    context: list[dict[str, Any]] = [
        {"ContextKeyName": name, "ContextKeyType": "string", "ContextKeyValues": [value]}
        for name, value in use.context
    ]
    role = Arns(deployed).role(use.by)
    answer = deployed.account.client("iam").simulate_principal_policy(
        PolicySourceArn=role,
        ActionNames=list(use.actions),
        ResourceArns=[use.resource],
        ContextEntries=context,
    )
    for result in answer["EvaluationResults"]:
        yield _finding(use, role, result["EvalActionName"], result["EvalDecision"])


def _finding(use: Use, role: str, action: str, decision: str) -> Finding:
    what = f"{action} of {use.of}" if use.of else action
    if decision == "allowed":
        return Finding(what, use.by, Result.OK)
    why = "A policy denies it to" if decision == "explicitDeny" else "No policy allows it to"
    result = Result.MISSING if use.needed else Result.DEGRADED
    return Finding(what, use.by, result, f"{why} {role}, on {use.resource}.", Remedy.IAM)
