"""The Amazon States Language, as far as the rendered machine uses it, one attempt at a time.

https://states-language.net/spec.html — Task with Parameters, ResultSelector, ResultPath,
Retry and Catch, Wait by SecondsPath, and Choice by StringEquals. tests/sandbox/rehearsal holds it to moto's
interpreter, and refuses a field that it does not know.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stepdrain_sandbox.kube.store import rfc3339
from stepdrain_sandbox.rehearsal.clock import QuietClock

Json = dict[str, Any]
Invoke = Callable[[str, Json], Any]
KNOWN = {
    "Comment", "Type", "Resource", "Parameters", "ResultSelector", "ResultPath", "TimeoutSeconds", "Retry",
    "Catch", "Next", "End", "Choices", "Default", "SecondsPath",
}  # fmt: skip


class TaskFailed(Exception):
    """A function ended with this error name, as Step Functions sees it."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


@dataclass
class Execution:
    """One execution, RUNNING until it is something else."""

    name: str
    document: Json
    started_at: float
    status: str = "RUNNING"
    error: str = ""
    cause: str = ""
    state: str = ""
    redriven_at: float | None = None
    redrives: int = 0
    events: int = 1
    entered: list[str] = field(default_factory=list)
    longest_document: int = 0
    """Characters of the document as JSON, at its longest."""

    def context(self) -> Json:
        """``$$.Execution``."""
        shown: Json = {"Name": self.name, "StartTime": rfc3339(self.started_at, micro=True)}
        if self.redriven_at is not None:
            shown |= {"RedriveTime": rfc3339(self.redriven_at, micro=True), "RedriveCount": self.redrives}
        return shown


class Machine:
    """Runs executions of one definition on a clock, through ``invoke(state, payload)``."""

    def __init__(self, definition: Json, clock: QuietClock, invoke: Invoke) -> None:
        unknown = {key for state in definition["States"].values() for key in state} - KNOWN
        if unknown:
            raise NotImplementedError(f"The rehearsal's interpreter does not know {sorted(unknown)}.")
        self._definition, self._clock, self._invoke = definition, clock, invoke
        self.executions: dict[str, Execution] = {}

    def start(self, name: str, document: Json) -> bool:
        """StartExecution; False if the name was used for a closed or another execution."""
        there = self.executions.get(name)
        if there is not None:
            return there.status == "RUNNING"
        execution = Execution(name, copy.deepcopy(document), self._clock.now())
        self.executions[name] = execution
        self._go(execution, self._definition["StartAt"])
        return True

    def started_at(self, name: str) -> float | None:
        """When the execution of that name began, in epoch seconds; None if there is none."""
        there = self.executions.get(name)
        return there.started_at if there else None

    def redrive(self, execution: Execution) -> None:
        """RedriveExecution: on at the state that failed, with fresh retries and a fresh timeout."""
        execution.status, execution.error, execution.cause = "RUNNING", "", ""
        execution.redriven_at, execution.redrives = self._clock.now(), execution.redrives + 1
        execution.events += 1
        self._go(execution, execution.state)

    def _go(self, execution: Execution, state: str) -> None:
        ends_at = self._clock.now() + self._definition["TimeoutSeconds"]
        self._on(execution, self._run(execution, state), ends_at)

    def _on(self, execution: Execution, run: Iterator[float], ends_at: float) -> None:
        """Run until it pauses, and come back when the pause is over."""

        def resume() -> None:
            if self._clock.now() >= ends_at:
                execution.status = "TIMED_OUT"
                return
            try:
                pause = next(run)
            except StopIteration:
                execution.events += 1
                return
            self._clock.call_at(min(self._clock.now() + pause, ends_at), resume)

        self._clock.call_at(self._clock.now(), resume)

    def _run(self, execution: Execution, name: str) -> Iterator[float]:
        while True:
            execution.state = name
            execution.entered.append(name)
            execution.events += 2
            execution.longest_document = max(execution.longest_document, len(json.dumps(execution.document)))
            state = self._definition["States"][name]
            if state["Type"] == "Choice":
                name = _chosen(state, execution.document)
                continue
            if state["Type"] == "Wait":
                yield _found(state["SecondsPath"], execution.document)
                name = state["Next"]
                continue
            try:
                following = yield from self._task(execution, name, state)
            except TaskFailed as failure:
                execution.status, execution.error, execution.cause = "FAILED", failure.error, failure.cause
                return
            if following is None:
                execution.status = "SUCCEEDED"
                return
            name = following

    def _task(self, execution: Execution, name: str, state: Json) -> Iterator[float]:
        entered_at, used, attempt = self._clock.now(), Counter[int](), 0
        while True:
            execution.events += 3
            context = {"Name": name, "EnteredTime": rfc3339(entered_at, micro=True), "RetryCount": attempt}
            payload = {"execution": execution.context(), "state": context, "drain": execution.document}
            yield 0.0  # What is due at this moment comes first, as it would in the second an attempt takes.
            try:
                answer = self._invoke(name, json.loads(json.dumps(payload)))
            except TaskFailed as failure:
                retrier = _match(state.get("Retry", ()), failure.error)
                if retrier is not None and used[retrier] < state["Retry"][retrier]["MaxAttempts"]:
                    yield _delay(state["Retry"][retrier], used[retrier])
                    used[retrier] += 1
                    attempt += 1
                    continue
                catcher = _match(state.get("Catch", ()), failure.error)
                if catcher is None:
                    raise
                rule = state["Catch"][catcher]
                _put(execution.document, rule["ResultPath"], {"Error": failure.error, "Cause": failure.cause})
                return rule["Next"]
            selector = state.get("ResultSelector")
            if selector is not None:
                answer = {
                    key.removesuffix(".$"): answer[path.rsplit(".", 1)[1]] for key, path in selector.items()
                }
            if state.get("ResultPath") is not None:
                _put(execution.document, state["ResultPath"], answer)
            return state.get("Next")


def _delay(retrier: Mapping[str, Any], used: int) -> float:
    """The delay before repetition ``used`` (from 0); with jitter, the longest it can be."""
    delay: float = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** used
    return min(delay, retrier.get("MaxDelaySeconds", delay))


def _match(rules: Any, error: str) -> int | None:
    return next((number for number, rule in enumerate(rules) if error in rule["ErrorEquals"]), None)


def _put(document: Json, path: str, value: Any) -> None:
    copied = json.loads(json.dumps(value))
    if path == "$":
        document.clear()
        document.update(copied)
    else:
        document[path.removeprefix("$.")] = copied


def _found(path: str, document: Json) -> Any:
    value: Any = document
    for part in path.removeprefix("$.").split("."):
        value = value[part]
    return value


def _chosen(state: Json, document: Json) -> str:
    for rule in state["Choices"]:
        if _found(rule["Variable"], document) == rule["StringEquals"]:
            return str(rule["Next"])
    return str(state["Default"])
