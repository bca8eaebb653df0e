"""A real drain from a laptop: the rendered state machine and the real handlers, without AWS.

The state machine runs on stepdrain_engine, in real time, against whatever cluster the kubeconfig names. There
is no lifecycle action: Heartbeat and CompleteAction tell nobody, and no request goes to AWS.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from stepdrain.adapters import connections, invocation
from stepdrain.adapters.kube import Kube
from stepdrain.clock import to_rfc3339
from stepdrain.document import progress
from stepdrain.errors import AwsRejected
from stepdrain.rules.policy import Policy

from stepdrain_cli.planning.earlier_drains import LOCAL
from stepdrain_deployed import DRAIN_NODE
from stepdrain_engine import definition, functions
from stepdrain_engine.execution import Execution
from stepdrain_engine.history import History
from stepdrain_engine.interpreter import Call, Interpreter
from stepdrain_engine.real_time import Clock, WallClock, drive
from stepdrain_recorded.history_lines import message, state_line

Json = dict[str, Any]
REGION, ACCOUNT = "local", "000000000000"
"""Where a region and an account stand in an ARN of a drain that runs here."""
ENVIRONMENT = {
    # Metrics are lines on stdout, where the result goes here.
    "POWERTOOLS_METRICS_DISABLED": "true",
}


@dataclass(frozen=True)
class Result:
    """How the drain ended: DescribeExecution's status, error and cause, the document, the history."""

    status: str
    error: str
    cause: str
    document: Json
    history: list[Json]

    def to_document(self) -> Json:
        """The result as JSON shows it; the history is left to the files."""
        return {
            "status": self.status,
            "error": self.error,
            "cause": message(self.cause),
            "progress": self._counts(),
            "outcome": (self.document.get("completed") or {}).get("outcome", ""),
        }

    def _counts(self) -> Json:
        """What the drain recorded last; zeros if it ended before that."""
        started = to_rfc3339(self.history[0]["timestamp"].timestamp())
        return progress.from_document(progress.recorded(self.document), started).to_document()


class Interrupted(Exception):
    """Ctrl-C ended the drain; ``result`` is how far it came."""

    def __init__(self, result: Result) -> None:
        super().__init__("interrupted")
        self.result = result


@dataclass(frozen=True)
class Context:
    """Lambda's context object, as far as handlers use it."""

    function_name: str
    timeout_s: float
    began: float = field(default_factory=time.monotonic)
    aws_request_id: str = "local"
    memory_limit_in_mb: int = 0
    invoked_function_arn: str = "local"

    def get_remaining_time_in_millis(self) -> int:
        """Until the Task's time-out."""
        return max(0, int(1000 * (self.began + self.timeout_s - time.monotonic())))


class NoAwsSession:
    """Stands for boto3's session: asking for a client raises AwsRejected."""

    def client(self, service: str, **_: Any) -> NoReturn:
        """No client is made."""
        raise AwsRejected(f"A drain that runs here asks AWS for nothing, and a function wanted {service}.")


def drain(
    node: str,
    cluster: str,
    connect: Callable[[Callable[[], float]], Kube],
    policy: Policy,
    say: Callable[[str], None],
    clock: Clock | None = None,
) -> Result:
    """Drain ``node`` of ``cluster`` now; ``say`` gets a line for each thing that happens.

    ``connect(time_left)`` makes the cluster's client for one invocation. Raises Interrupted on Ctrl-C.
    """
    clock = clock or WallClock()
    began, text = clock.now(), DRAIN_NODE.read_text()
    machine = definition.parse(definition.substituted(text, functions.substitutions(text, REGION, ACCOUNT)))
    history = History(clock.now, lambda event: _say(event, say, clock.now() - began))
    one = _execution(node, cluster, policy, history, began)
    run = Interpreter(machine, clock.now, REGION, lambda longest: random.uniform(0, longest)).run(one)
    with _functions(connect):
        try:
            drive(one, run, _invoke, clock, machine["TimeoutSeconds"])
        except KeyboardInterrupt:
            raise Interrupted(_result(one, history)) from None
    return _result(one, history)


def _say(event: Mapping[str, Any], say: Callable[[str], None], after_s: float) -> None:
    if line := state_line(event):
        say(f"{after_s:6.1f}s  {line}")


def _result(one: Execution, history: History) -> Result:
    return Result(one.status, one.error, one.cause, one.document, history.events)


def _execution(node: str, cluster: str, policy: Policy, history: History, began: float) -> Execution:
    # Events of a drain are named by it: each drain has a name of its own.
    written = "".join(c if c.isalnum() or c in "-_" else "-" for c in node)
    name = f"{LOCAL}{written[:60]}-{secrets.token_hex(4)}"
    document = {"nodeName": node, "cluster": cluster, "reason": "local", "policy": policy.to_document()}
    arn = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:DrainNode:{name}"
    one = Execution(name, arn, document, began, history, document)
    history.add("ExecutionStarted", lambda: ("executionStartedEventDetails", one.started_details()))
    return one


def _invoke(call: Call) -> Any:
    name, timeout_s = functions.name(call.function), call.timeout_s or float("inf")
    return functions.invoke(functions.handler(call.function), call.payload, Context(name, timeout_s))


@contextlib.contextmanager
def _functions(connect: Callable[[Callable[[], float]], Kube]) -> Iterator[None]:
    """While this lasts, handlers in this process reach the cluster by ``connect``, and AWS not at all."""
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    connections.local = connections.Local(lambda: connect(invocation.time_left), NoAwsSession())
    # The functions' own log is for CloudWatch.
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        connections.local = None
        os.environ.clear()
        os.environ.update(before)
