"""Step Functions: starts, finds and stops executions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from stepdrain import clock
from stepdrain.adapters.aws.calls import Clients, call, call_unless, pages

PAGE = 1000
"""Executions in an answer, as many as can be
(https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html)."""
MOST_READINGS = 5
"""Of a list that moves: each is of less than the one before."""
MOVED_S = 10
"""Seconds by which the function's clock and Step Functions' may disagree about what has just ended."""


class Executions(Clients):
    """Its part of stepdrain.adapters.aws.Aws."""

    def start_execution(self, state_machine_arn: str, name: str, document: Mapping[str, Any]) -> bool:
        """Start an execution; False if its name exists already, since that is the same drain."""
        client = self._client("stepfunctions")
        text = json.dumps(document, sort_keys=True)
        options = {"stateMachineArn": state_machine_arn, "name": name, "input": text}
        return call_unless(client, "start_execution", "ExecutionAlreadyExists", **options) is not None

    def executions(self, state_machine_arn: str, since: float) -> list[dict[str, Any]]:
        """Executions that run, or ended at ``since`` (epoch seconds) or later, the most recent first.

        Each has ``name``, ``status`` and ``startDate``. ``state_machine_arn`` may be an alias; executions
        started without the alias are listed, too. ListExecutions sorts running executions by their start or
        redrive and the others by their end (API reference), so reading stops at the first older date. And one
        that ends between two pages moves to the first, which has been read: then what has changed since is
        read again, until that is a single page.
        """
        found: dict[str, dict[str, Any]] = {}
        for _ in range(MOST_READINGS):
            asked_at, read = clock.now(), 0
            for page in self._pages_since(state_machine_arn, since):
                found |= {execution["name"]: execution for execution in page}
                read += bool(page)
            if read <= 1:  # A page is of one moment.
                break
            since = asked_at - MOVED_S
        return sorted(found.values(), key=_sorted_by, reverse=True)

    def _pages_since(self, state_machine_arn: str, since: float) -> Iterator[list[dict[str, Any]]]:
        client = self._client("stepfunctions")
        options: dict[str, Any] = {"stateMachineArn": _unqualified(state_machine_arn), "maxResults": PAGE}
        for page in pages(client, "list_executions", "nextToken", **options):
            recent = [execution for execution in page["executions"] if _sorted_by(execution) >= since]
            yield recent
            if len(recent) < len(page["executions"]):
                return

    def execution(self, state_machine_arn: str, name: str) -> dict[str, Any] | None:
        """The execution of that name in the form of ``executions_of``; None if there is none."""
        found = self._described(state_machine_arn, name)
        return _execution(found) if found else None

    def stop_execution(self, state_machine_arn: str, name: str, error: str, cause: str) -> None:
        """Stop the execution of that name, with an error name and a sentence; no-op if it has ended."""
        client = self._client("stepfunctions")
        arn = execution_arn(state_machine_arn, name)
        call_unless(
            client, "stop_execution", "ExecutionDoesNotExist", executionArn=arn, error=error, cause=cause
        )

    def started_at(self, state_machine_arn: str, name: str) -> float | None:
        """When the execution of that name started, in epoch seconds; None if there is none."""
        found = self._described(state_machine_arn, name)
        return float(found["startDate"].timestamp()) if found else None

    def _described(self, state_machine_arn: str, name: str) -> dict[str, Any] | None:
        client = self._client("stepfunctions")
        arn = execution_arn(state_machine_arn, name)
        found: dict[str, Any] | None = call_unless(
            client, "describe_execution", "ExecutionDoesNotExist", executionArn=arn
        )
        return found

    def executions_of(self, state_machine_arn: str, instance_id: str, status: str) -> list[dict[str, Any]]:
        """The executions of ``status`` whose names begin with the instance's id.

        Each has ``name``, ``status``, ``startedAt`` and ``redrivenAt`` (RFC 3339; None if never redriven) and
        ``document``, its input and output merged.
        """
        names = self.execution_names(state_machine_arn, status)
        found = (
            self.execution(state_machine_arn, name) for name in names if name.startswith(f"{instance_id}-")
        )
        return [execution for execution in found if execution]

    def execution_names(self, state_machine_arn: str, status: str) -> list[str]:
        """Names of the executions of ``status``: all running ones, or the newest 1,000 of another status.

        ListExecutions cannot filter by name.
        """
        client = self._client("stepfunctions")
        options = {"stateMachineArn": _unqualified(state_machine_arn), "statusFilter": status}
        listing = pages(client, "list_executions", "nextToken", maxResults=PAGE, **options)
        read = listing if status == "RUNNING" else islice(listing, 1)
        return [execution["name"] for page in read for execution in page["executions"]]

    def described_execution(self, execution_arn: str) -> dict[str, Any]:
        """DescribeExecution: input, output, error and cause as they are, where the execution has them.

        Raises AwsRejected if there is no such execution.
        """
        client = self._client("stepfunctions")
        return dict(call(client, "describe_execution", executionArn=execution_arn))

    def last_events(self, execution_arn: str) -> list[dict[str, Any]]:
        """The newest 200 events of an execution: enough for its last state with all retries."""
        client = self._client("stepfunctions")
        answer = call(
            client,
            "get_execution_history",
            executionArn=execution_arn,
            reverseOrder=True,
            maxResults=200,
        )
        return list(answer["events"])


def _execution(described: Mapping[str, Any]) -> dict[str, Any]:
    redriven = described.get("redriveDate")
    return {
        "name": described["name"],
        "status": described["status"],
        "startedAt": described["startDate"].isoformat(),
        "redrivenAt": redriven.isoformat() if redriven else None,
        # The output of a finished drain has what FindNode added.
        "document": {
            **json.loads(described.get("input") or "{}"),
            **json.loads(described.get("output") or "{}"),
        },
    }


def _sorted_by(listed: Mapping[str, Any]) -> float:
    """Epoch seconds of the date by which ListExecutions sorts this execution."""
    date = listed.get("stopDate") or listed.get("redriveDate") or listed["startDate"]
    return float(date.timestamp())


def execution_arn(state_machine_arn: str, name: str) -> str:
    return f"{_unqualified(state_machine_arn).replace(':stateMachine:', ':execution:')}:{name}"


def _unqualified(state_machine_arn: str) -> str:
    """The state machine's own ARN, without an alias or version (the eighth part)."""
    return ":".join(state_machine_arn.split(":")[:7])
