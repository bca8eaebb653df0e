"""ListExecutions and StopExecution as in the API reference: order, dates, delay, error and cause.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html: running executions
are sorted by startDate or redriveDate, all others by stopDate, the most recent first; the list is
eventually consistent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

from moto.core.responses import ActionResult
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.backend.execution import Execution
from moto.stepfunctions.responses import StepFunctionResponse

from stepdrain_sandbox.clock import Clock

Json = dict[str, Any]
PAGE, LARGEST_PAGE = 100, 1000
"""Executions in a page: by default, and at most."""
ROUNDED_S = 0.001
"""Dates have microseconds, the clock has more."""


@dataclass
class ExecutionList:
    """The lists of an account. ``lag_s``: seconds by which they lag; younger changes are not visible."""

    clock: Clock
    lag_s: float = 0.0

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Inside this context, this object answers list_executions."""
        lists = self

        def list_executions(response: StepFunctionResponse) -> ActionResult:
            return lists._page(response)

        with (
            mock.patch.object(StepFunctionResponse, "list_executions", list_executions),
            mock.patch.object(
                StepFunctionResponse, "stop_execution", _with_cause(StepFunctionResponse.stop_execution)
            ),
        ):
            yield

    def _page(self, response: StepFunctionResponse) -> ActionResult:
        machine = response.stepfunction_backend.describe_state_machine(response._get_param("stateMachineArn"))
        wanted, seen_at = response._get_param("statusFilter"), self.clock.now() - self.lag_s + ROUNDED_S
        items = (_item(execution, machine.arn, seen_at) for execution in machine.executions)
        chosen = [item for item in items if item and wanted in (None, item["status"])]
        chosen.sort(key=_recency, reverse=True)
        first = int(response._get_param("nextToken") or 0)
        after = first + min(response._get_int_param("maxResults") or PAGE, LARGEST_PAGE)
        token = {"nextToken": str(after)} if after < len(chosen) else {}
        return ActionResult({"executions": chosen[first:after], **token})


def _item(execution: Execution, machine_arn: str, seen_at: float) -> Json | None:
    """The ExecutionListItem as of ``seen_at`` (epoch seconds); None if it did not exist yet."""
    if execution.start_date.timestamp() > seen_at:
        return None
    stopped = execution.stop_date if execution.exec_status is not ExecutionStatus.RUNNING else None
    ended = stopped is not None and stopped.timestamp() <= seen_at
    item = {
        "executionArn": execution.exec_arn,
        "stateMachineArn": machine_arn,
        "name": execution.name,
        "status": execution.exec_status.value if ended or stopped is None else ExecutionStatus.RUNNING.value,
        "startDate": execution.start_date.timestamp(),
        "redriveCount": getattr(execution, "redrive_count", 0),
    }
    if ended:
        item["stopDate"] = stopped.timestamp()
    if hasattr(execution, "redrive_date"):
        item["redriveDate"] = execution.redrive_date
    return item


def _recency(item: Json) -> float:
    return float(item.get("stopDate") or item.get("redriveDate") or item["startDate"])


def _with_cause(stop: Callable[[StepFunctionResponse], ActionResult]) -> Callable[..., ActionResult]:
    """StopExecution as in the API reference: the execution and its last event have its error and cause.

    moto's event has neither
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_ExecutionAbortedEventDetails.html).
    """

    def stop_execution(response: StepFunctionResponse) -> ActionResult:
        execution = response.stepfunction_backend.describe_execution(response._get_param("executionArn"))
        if execution.exec_status is ExecutionStatus.RUNNING:
            execution.error = response._get_param("error")
            execution.cause = response._get_param("cause")
            if execution.exec_worker is not None:
                worker, said = execution.exec_worker, {"error": execution.error, "cause": execution.cause}
                worker.stop = lambda stop_date, **_: worker.env.set_stop(stop_date=stop_date, **said)
        return stop(response)

    return stop_execution
