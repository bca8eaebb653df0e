"""Drives one execution in real time: functions run in threads of their own, and pauses are slept."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from stepdrain_engine import execution
from stepdrain_engine.execution import Execution
from stepdrain_engine.interpreter import Call, Run, TaskFailed
from stepdrain_engine.retries import TIMEOUT

Work = Callable[[], Any]
"""A function's invocation; returns its answer or raises TaskFailed."""


class Clock(Protocol):
    """What passes time; seconds."""

    def now(self) -> float:
        """Epoch seconds."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""

    def call(self, work: Work, timeout_s: float) -> Any:
        """What ``work`` returns or raises; TaskFailed with States.Timeout if it takes longer."""


class WallClock:
    """The real time. A sleep costs nothing, and Ctrl-C ends it."""

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def call(self, work: Work, timeout_s: float) -> Any:
        """Run ``work`` in a thread, which nothing waits for when its time is over."""
        answers = queue.SimpleQueue[Callable[[], Any]]()
        threading.Thread(target=lambda: answers.put(_outcome(work)), name="function", daemon=True).start()
        try:
            outcome = answers.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            raise TaskFailed(TIMEOUT, "") from None
        return outcome()


def _outcome(work: Work) -> Callable[[], Any]:
    try:
        answer = work()
    except BaseException as error:  # raised again in the thread that waits
        raised = error

        def again() -> Any:
            raise raised

        return again
    return lambda: answer


def drive(one: Execution, run: Run, invoke: Callable[[Call], Any], clock: Clock, timeout_s: float) -> None:
    """Run to the end, or until ``timeout_s`` seconds (the machine's TimeoutSeconds) are over.

    Whatever interrupts it (KeyboardInterrupt) leaves the execution ABORTED, with that event in its history.
    """
    ends_at = clock.now() + timeout_s
    try:
        _drive(one, run, invoke, clock, ends_at)
    except BaseException:
        one.status = execution.ABORTED
        one.log.add("ExecutionAborted", lambda: ("executionAbortedEventDetails", {}))
        raise


def _drive(one: Execution, run: Run, invoke: Callable[[Call], Any], clock: Clock, ends_at: float) -> None:
    step: Callable[[], Any] = lambda: next(run)  # noqa: E731
    while True:
        try:
            wanted = step()
        except StopIteration:
            return
        left = ends_at - clock.now()
        if isinstance(wanted, Call):
            step = _answered(run, wanted, invoke, clock, left)
        else:
            clock.sleep(min(wanted.seconds, max(0.0, left)))
            step = lambda: next(run)  # noqa: E731
        if clock.now() >= ends_at:
            one.status = execution.TIMED_OUT
            one.log.add("ExecutionTimedOut", lambda: ("executionTimedOutEventDetails", {}))
            return


def _answered(
    run: Run, call: Call, invoke: Callable[[Call], Any], clock: Clock, left: float
) -> Callable[[], Any]:
    try:
        answer = clock.call(lambda: invoke(call), min(left, call.timeout_s or left))
    except TaskFailed as failure:
        thrown = failure
        return lambda: run.throw(thrown)
    return lambda: run.send(answer)
