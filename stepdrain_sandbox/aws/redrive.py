"""RedriveExecution, which moto lacks: the same execution goes on at the state that failed.

https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html: the history goes on;
retries and the machine's timeout start again. Only failures in top-level states are supported.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

from moto.core.exceptions import AWSError
from moto.core.responses import ActionResult
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.asl.component.common.flow.start_at import StartAt
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.backend.execution import Execution
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.responses import StepFunctionResponse

from stepdrain_sandbox.clock import Clock
from stepdrain_sandbox.kube.store import rfc3339

Json = dict[str, Any]
REDRIVABLE = (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT, ExecutionStatus.ABORTED)
REDRIVABLE_FOR_S = 14 * 86_400
MOST_EVENTS = 24_999
"""An execution with so many history events cannot be redriven."""
REMEMBERED_TOKENS, REMEMBERED_FOR_S = 10, 900


class ExecutionNotRedrivable(AWSError):
    """AWS's error for an execution that cannot be redriven."""

    TYPE = "ExecutionNotRedrivable"
    STATUS = 400


class RedrivenWorker(ExecutionWorker):
    """Goes on with an execution's history and document at the state that failed."""

    before: Environment
    redrive_time: str

    def _execution_logic(self) -> None:
        program = self._get_evaluation_entrypoint()
        env = self._get_evaluation_environment()
        env.event_manager = self.before.event_manager
        self.env = env
        env.event_history_context.integrate(self.before.event_history_context)
        execution = env.states.context_object.context_object_data["Execution"]
        execution["RedriveCount"] = self.redrive_count
        execution["RedriveTime"] = self.redrive_time
        details = {"executionRedrivenEventDetails": {"redriveCount": self.redrive_count}}
        env.event_manager.add_event(
            context=env.event_history_context, event_type="ExecutionRedriven", event_details=details
        )
        name, document = failed_state(env.event_manager.get_event_history())
        program.start_at = StartAt(name)
        env.states.reset(document)
        program.eval(env)
        self._execution_communication.terminated()

    redrive_count: int = 0


def failed_state(history: list[Json]) -> tuple[str, Any]:
    """Name and input of the last state that was entered."""
    entered = [event for event in history if "stateEnteredEventDetails" in event]
    details = entered[-1]["stateEnteredEventDetails"]
    return details["name"], json.loads(details["input"])


@contextlib.contextmanager
def possible(clock: Clock) -> Iterator[None]:
    """Inside this context, boto3's redrive_execution works and describe_execution shows redrives."""
    describe = StepFunctionResponse.describe_execution

    def with_redrives(response: StepFunctionResponse) -> ActionResult:
        execution = response.stepfunction_backend.describe_execution(response._get_param("executionArn"))
        return ActionResult({**describe(response).result, **_shown(execution, clock)})

    def redrive_execution(response: StepFunctionResponse) -> ActionResult:
        execution = response.stepfunction_backend.describe_execution(response._get_param("executionArn"))
        _redrive(execution, response._get_param("clientToken"), clock)
        return ActionResult({"redriveDate": execution.redrive_date})

    with (
        mock.patch.object(StepFunctionResponse, "describe_execution", with_redrives),
        mock.patch.object(StepFunctionResponse, "redrive_execution", redrive_execution, create=True),
    ):
        yield


def _shown(execution: Execution, clock: Clock) -> Json:
    """DescribeExecution's fields about redrives, and the stopDate, which moto omits after a time-out."""
    reason = _refusal(execution, clock)
    shown: Json = {
        "redriveCount": getattr(execution, "redrive_count", 0),
        "redriveStatus": "NOT_REDRIVABLE" if reason else "REDRIVABLE",
    }
    if reason:
        shown["redriveStatusReason"] = reason
    if hasattr(execution, "redrive_date"):
        shown["redriveDate"] = execution.redrive_date
    if execution.stop_date is not None:
        shown["stopDate"] = execution.stop_date
    return shown


def _refusal(execution: Execution, clock: Clock) -> str:
    """Why the execution cannot be redriven now; "" if it can."""
    if execution.exec_status not in REDRIVABLE:
        return f"Execution is {execution.exec_status.value} and cannot be redriven"
    if clock.now() - execution.stop_date.timestamp() > REDRIVABLE_FOR_S:
        return "Execution exceeded its redrivable period"
    if len(execution.to_history_output()["events"]) >= MOST_EVENTS:
        return f"Execution has {MOST_EVENTS} history events or more and cannot be redriven"
    return ""


def _redrive(execution: Execution, client_token: str | None, clock: Clock) -> None:
    tokens: list[tuple[str, float]] = execution.__dict__.setdefault("redrive_tokens", [])
    young = [token for token, at in tokens[-REMEMBERED_TOKENS:] if clock.now() - at < REMEMBERED_FOR_S]
    if client_token is not None and client_token in young:
        return
    if reason := _refusal(execution, clock):
        raise ExecutionNotRedrivable(reason)
    if client_token is not None:
        tokens.append((client_token, clock.now()))
    old = execution.exec_worker
    worker = RedrivenWorker(
        old._evaluation_details, execution._get_start_execution_worker_comm(), None, old._activity_store
    )
    worker.before = worker.env = old.env
    worker.redrive_count = getattr(execution, "redrive_count", 0) + 1
    worker.redrive_time = rfc3339(clock.now(), micro=True)
    execution.redrive_count, execution.redrive_date = worker.redrive_count, clock.now()
    execution.exec_status, execution.stop_date = ExecutionStatus.RUNNING, None
    execution.error = execution.cause = None
    execution.exec_worker = worker
    worker.start()
