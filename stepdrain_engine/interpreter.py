"""Takes an execution from state to state, and asks its driver for whatever takes time.

``run`` is a generator: it yields a Call or a Pause, and gets back the answer of the function; a TaskFailed
that is thrown in is the function's failure. So the same code runs in real time, in virtual time and in tests.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stepdrain_engine import choices, documents, execution, retries
from stepdrain_engine.execution import Execution
from stepdrain_engine.history import text
from stepdrain_engine.retries import Jitter, Retries

Json = dict[str, Any]
LAMBDA = {"resourceType": "lambda", "resource": "invoke"}
WHOLE = {"truncated": False}


@dataclass(frozen=True)
class Call:
    """Invoke a function; send what it returns, or throw TaskFailed."""

    function: str
    """FunctionName of the Task's parameters."""
    payload: Any
    timeout_s: float | None


@dataclass(frozen=True)
class Pause:
    """Let time pass."""

    seconds: float


class TaskFailed(Exception):
    """A function ended with this error name and cause, as Step Functions sees it."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause

    def details(self) -> Json:
        """Error and cause as an event has them; a time-out has no cause."""
        return {"error": self.error, **({"cause": self.cause} if self.cause else {})}


Run = Generator[Call | Pause, Any, None]
Visit = Generator[Call | Pause, Any, str | None]


class Interpreter:
    """Runs executions of one definition (stepdrain_engine.definition.check)."""

    def __init__(self, definition: Json, now: Callable[[], float], region: str, jitter: Jitter) -> None:
        self.definition, self._now, self._region, self._jitter = definition, now, region, jitter

    def run(self, one: Execution, start: str | None = None) -> Run:
        """From ``start`` (StartAt if None) to the end; the execution then has its status, error and cause."""
        following: str | None = start or self.definition["StartAt"]
        try:
            while following is not None:
                following = yield from self._visit(one, following)
        except TaskFailed as failure:
            one.status, one.error, one.cause = execution.FAILED, failure.error, failure.cause
            details = failure.details()
            one.log.add("ExecutionFailed", lambda: ("executionFailedEventDetails", details))
            return
        one.status = execution.SUCCEEDED
        details = {"output": text(one.document), "outputDetails": WHOLE}
        one.log.add("ExecutionSucceeded", lambda: ("executionSucceededEventDetails", details))

    def _visit(self, one: Execution, name: str) -> Visit:
        """Enter a state, do what it does, leave it; the next state, None at the end."""
        state, entered_at = self.definition["States"][name], self._now()
        one.state = name
        one.entered.append(name)
        kind = state["Type"]
        one.log.add(
            f"{kind}StateEntered",
            lambda: (
                "stateEnteredEventDetails",
                {"name": name, "input": text(one.document), "inputDetails": WHOLE},
            ),
        )
        try:
            following = yield from self._do(one, state, entered_at)
        except documents.NotFound as error:
            raise TaskFailed(retries.RUNTIME, f"In state {name}, {error}.") from error
        one.log.add(
            f"{kind}StateExited",
            lambda: (
                "stateExitedEventDetails",
                {"name": name, "output": text(one.document), "outputDetails": WHOLE},
            ),
        )
        return following

    def _do(self, one: Execution, state: Json, entered_at: float) -> Visit:
        context = one.context(entered_at, 0)
        match state["Type"]:
            case "Task":
                return (yield from self._task(one, state, entered_at))
            case "Wait":
                yield Pause(max(0.0, self._wait_s(state, one.document, context)))
            case "Choice":
                following = choices.chosen(state, one.document, context)
                if following is None:
                    raise TaskFailed("States.NoChoiceMatched", f"No choice of {one.state} fits.")
                return following
            case "Pass":
                result = state.get("Result", one.document)
                if "Parameters" in state and "Result" not in state:
                    result = documents.filled(state["Parameters"], one.document, context)
                one.document = documents.write(state.get("ResultPath", "$"), one.document, result)
            case "Fail":
                raise TaskFailed(state.get("Error", ""), state.get("Cause", ""))
        return state.get("Next")

    def _wait_s(self, state: Json, document: Any, context: Json) -> float:
        if "SecondsPath" in state:
            return float(documents.read(state["SecondsPath"], document, context))
        if "Seconds" in state:
            return float(state["Seconds"])
        until = state.get("Timestamp") or documents.read(state["TimestampPath"], document, context)
        return datetime.fromisoformat(until.replace("Z", "+00:00")).timestamp() - self._now()

    def _task(self, one: Execution, state: Json, entered_at: float) -> Visit:
        left, attempt = Retries(state.get("Retry", ()), self._jitter), 0
        while True:
            context = one.context(entered_at, attempt)
            try:
                result = yield from self._attempt(one, state, context)
            except TaskFailed as failure:
                pause = left.pause(failure.error)
                if pause is None:
                    return self._caught(one, state, failure)
                yield Pause(pause)
                attempt += 1
                continue
            if "ResultSelector" in state:
                result = documents.filled(state["ResultSelector"], result, context)
            one.document = documents.write(state.get("ResultPath", "$"), one.document, result)
            return state.get("Next")

    def _attempt(self, one: Execution, state: Json, context: Json) -> Generator[Call | Pause, Any, Json]:
        parameters = documents.filled(state.get("Parameters", {}), one.document, context)
        timeout_s = state.get("TimeoutSeconds")
        one.log.add(
            "TaskScheduled", lambda: ("taskScheduledEventDetails", self._scheduled(parameters, timeout_s))
        )
        one.log.add("TaskStarted", lambda: ("taskStartedEventDetails", dict(LAMBDA)))
        try:
            payload = yield Call(parameters["FunctionName"], parameters.get("Payload"), timeout_s)
        except TaskFailed as failure:
            _record_failure(one, failure)
            raise
        answer = {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": payload}
        one.log.add(
            "TaskSucceeded",
            lambda: (
                "taskSucceededEventDetails",
                {**LAMBDA, "output": text(answer), "outputDetails": WHOLE},
            ),
        )
        return answer

    def _scheduled(self, parameters: Json, timeout_s: float | None) -> Json:
        details = {**LAMBDA, "region": self._region, "parameters": text(parameters)}
        return details if timeout_s is None else {**details, "timeoutInSeconds": timeout_s}

    def _caught(self, one: Execution, state: Json, failure: TaskFailed) -> str:
        number = retries.first(state.get("Catch", ()), failure.error)
        if number is None:
            raise failure
        rule = state["Catch"][number]
        caught = {"Error": failure.error, "Cause": failure.cause}
        one.document = documents.write(rule.get("ResultPath", "$"), one.document, caught)
        return str(rule["Next"])


def _record_failure(one: Execution, failure: TaskFailed) -> None:
    kind = "TaskTimedOut" if failure.error == retries.TIMEOUT else "TaskFailed"
    details = {**LAMBDA, **failure.details()}
    one.log.add(kind, lambda: (f"{kind[0].lower()}{kind[1:]}EventDetails", details))
