"""A real drain from a laptop: the rendered state machine and the real handlers, without AWS.

The state machine runs on the sandbox's engine, in real time, against whatever cluster the
kubeconfig names. There is no lifecycle action: Heartbeat and CompleteAction tell nobody.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from moto import mock_aws
from stepdrain.document.progress import recorded
from stepdrain.rules.policy import Policy

from stepdrain_deployed import DRAIN_NODE, TEMPLATE
from stepdrain_recorded.history_lines import message, state_line
from stepdrain_sandbox.aws import engine
from stepdrain_sandbox.aws.account import MOCK, REGION, Context
from stepdrain_sandbox.aws.deploy import Function, translate
from stepdrain_sandbox.clock import RealClock

Json = dict[str, Any]
LOOK_EVERY_S = 0.2


@dataclass(frozen=True)
class Result:
    """How the drain ended: DescribeExecution's status, error and cause, the document, the history."""

    status: str
    error: str
    cause: str
    output: Json
    history: list[Json]

    def to_document(self) -> Json:
        """The result as JSON shows it; the history is left to the files."""
        return {
            "status": self.status,
            "error": self.error,
            "cause": message(self.cause),
            "progress": recorded(self.output) or {},
            "outcome": self.output.get("completed", {}).get("outcome", ""),
        }


def drain(
    node: str, kubeconfig: str, context: str | None, policy: Policy, say: Callable[[str], None]
) -> Result:
    """Drain ``node`` now; ``say`` gets a line for each thing that happens."""
    clock = RealClock()
    document = {
        "nodeName": node,
        "cluster": context or "kubeconfig",
        "reason": "run",
        "policy": policy.to_document(),
    }
    with _engine(clock, kubeconfig, context) as machine:
        client = boto3.client("stepfunctions", region_name=REGION)
        arn = client.start_execution(stateMachineArn=machine, name=_name(node), input=json.dumps(document))[
            "executionArn"
        ]
        return _follow(client, arn, clock, say)


def _name(node: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in node)[:80]


@contextlib.contextmanager
def _engine(clock: RealClock, kubeconfig: str, context: str | None) -> Iterator[str]:
    """The engine with DrainNode in it, whose functions use the kubeconfig; gives the machine's ARN."""
    environment = {
        "STEPDRAIN_KUBECONFIG": str(Path(kubeconfig).resolve()),
        "STEPDRAIN_KUBE_CONTEXT": context or "",
        "AWS_DEFAULT_REGION": REGION,
        # Metrics are lines on stdout, where the result goes here.
        "POWERTOOLS_METRICS_DISABLED": "true",
    }
    handlers = _handlers()
    with contextlib.ExitStack() as stack:
        # moto replaces credentials in the environment; a kubeconfig that calls `aws` needs the user's own.
        own = {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
        stack.enter_context(mock_aws(config={**MOCK, "core": {"mock_credentials": False}}))  # type: ignore[call-overload]
        fallback = {"AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox"}
        stack.enter_context(mock.patch.dict(os.environ, {**fallback, **own, **environment}))
        stack.enter_context(engine.running(clock, _invoke(handlers), lambda _arn: None))
        # The functions' own log is for CloudWatch.
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, logging.NOTSET)
        yield _machine()


def _handlers() -> dict[str, str]:
    resources = translate(TEMPLATE, {"ClusterName": "kubeconfig"})["Resources"]
    functions = {key: one for key, one in resources.items() if one["Type"] == "AWS::Lambda::Function"}
    return {key: one["Properties"]["Handler"] for key, one in functions.items()}


def _invoke(handlers: dict[str, str]) -> engine.Invoke:
    def invoke(name: str, event: Json) -> Any:
        return Function(name, handlers[name], {}).load()(event, Context(name))

    return invoke


def _machine() -> str:
    definition = DRAIN_NODE.read_text().replace("${Partition}", "aws")
    for name in _handlers():
        arn = f"arn:aws:lambda:{REGION}:123456789012:function:{name}"
        definition = definition.replace(f"${{{name}Arn}}", arn)
    client = boto3.client("stepfunctions", region_name=REGION)
    made = client.create_state_machine(
        name="DrainNode", definition=definition, roleArn="arn:aws:iam::123456789012:role/sandbox"
    )
    return str(made["stateMachineArn"])


def _follow(client: Any, arn: str, clock: RealClock, say: Callable[[str], None]) -> Result:
    began, told = clock.now(), 0
    while True:
        shown = client.describe_execution(executionArn=arn)
        history = client.get_execution_history(executionArn=arn)["events"]
        for event in history[told:]:
            if line := state_line(event):
                say(f"{clock.now() - began:6.1f}s  {line}")
        told = len(history)
        if shown["status"] != "RUNNING":
            output = json.loads(shown.get("output") or "{}")
            return Result(shown["status"], shown.get("error", ""), shown.get("cause", ""), output, history)
        clock.sleep(LOOK_EVERY_S)
