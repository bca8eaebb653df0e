"""Executions of one state machine on a clock that calls back: many at once, in one thread."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, Protocol

from stepdrain_engine import execution
from stepdrain_engine.definition import check
from stepdrain_engine.execution import Execution
from stepdrain_engine.history import Count, Log
from stepdrain_engine.interpreter import Call, Interpreter, Run, TaskFailed
from stepdrain_engine.retries import Jitter

Json = dict[str, Any]
Invoke = Callable[[str, Any], Any]
"""Invokes the function of that name with that payload; returns its answer or raises TaskFailed."""


class Clock(Protocol):
    """What is asked of a clock; epoch seconds."""

    def now(self) -> float: ...

    def call_at(self, at: float, callback: Callable[[], None]) -> object: ...


class Machine:
    """Starts and redrives executions; ``log`` makes the record of each."""

    def __init__(
        self,
        definition: Json,
        clock: Clock,
        invoke: Invoke,
        *,
        arn: str,
        jitter: Jitter,
        log: Callable[[], Log] = Count,
    ) -> None:
        self._clock, self._invoke, self._arn, self._log = clock, invoke, arn, log
        self._interpreter = Interpreter(check(definition), clock.now, arn.split(":")[3], jitter)
        self._timeout_s = definition.get("TimeoutSeconds", float("inf"))
        self.executions: dict[str, Execution] = {}

    def start(self, name: str, document: Json) -> bool:
        """StartExecution; False if the name was used for a closed execution."""
        there = self.executions.get(name)
        if there is not None:
            return there.status == execution.RUNNING
        arn = f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
        given = copy.deepcopy(document)
        one = Execution(name, arn, given, self._clock.now(), self._log(), given)
        self.executions[name] = one
        one.log.add("ExecutionStarted", lambda: ("executionStartedEventDetails", one.started_details()))
        self._go(one, self._interpreter.run(one))
        return True

    def started_at(self, name: str) -> float | None:
        """When the execution of that name began, in epoch seconds; None if there is none."""
        there = self.executions.get(name)
        return there.started_at if there else None

    def redrive(self, one: Execution) -> None:
        """RedriveExecution: on at the state that failed, with fresh retries and a fresh timeout.

        https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
        """
        one.status, one.error, one.cause = execution.RUNNING, "", ""
        one.redriven_at, one.redrives = self._clock.now(), one.redrives + 1
        details = {"redriveCount": one.redrives}
        one.log.add("ExecutionRedriven", lambda: ("executionRedrivenEventDetails", details))
        self._go(one, self._interpreter.run(one, one.state))

    def _go(self, one: Execution, run: Run) -> None:
        ends_at = self._clock.now() + self._timeout_s

        def advance(step: Callable[[], Any]) -> None:
            if self._clock.now() >= ends_at:
                one.status = execution.TIMED_OUT
                one.log.add("ExecutionTimedOut", lambda: ("executionTimedOutEventDetails", {}))
                return
            try:
                wanted = step()
            except StopIteration:
                return
            if isinstance(wanted, Call):
                # What is due at this moment comes first, as it would in the second an attempt takes.
                self._clock.call_at(self._clock.now(), lambda: advance(self._answered(run, wanted)))
            else:
                at = min(self._clock.now() + wanted.seconds, ends_at)
                self._clock.call_at(at, lambda: advance(lambda: next(run)))

        self._clock.call_at(self._clock.now(), lambda: advance(lambda: next(run)))

    def _answered(self, run: Run, call: Call) -> Callable[[], Any]:
        try:
            answer = self._invoke(call.function, json.loads(json.dumps(call.payload)))
        except TaskFailed as failure:
            thrown = failure
            return lambda: run.throw(thrown)
        return lambda: run.send(answer)
