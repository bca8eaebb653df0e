"""moto's Step Functions interpreter on the world's clock, with the real handlers in process.

Each patch below replaces one name of moto's by one of ours; tests/sandbox/aws/test_engine.py
has a test for each, so that an upgrade of moto that moves one fails by name.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from moto.stepfunctions.parser.asl.component.common.retry.retrier_decl import RetrierDecl
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker

from sandbox.clock import Clock

Json = dict[str, Any]
Invoke = Callable[[str, Json], Any]
"""Runs the function of that name with that event and returns its answer, or raises what it raised."""
PARSER = "moto.stepfunctions.parser"
INVOKE = f"{PARSER}.asl.component.state.exec.state_task.lambda_eval_utils._invoke_lambda_function"
PAUSES = f"{PARSER}.asl.component.common.retry.retrier_decl.time"
DATED = (
    f"{PARSER}.asl.component.state.state.datetime",
    f"{PARSER}.asl.eval.event.event_manager.datetime",
    f"{PARSER}.models.datetime",
    f"{PARSER}.backend.execution.datetime",
)
"""Where the interpreter reads the time: when a state is entered, in events, at start and stop."""


@contextlib.contextmanager
def running(clock: Clock, invoke: Invoke, ended: Callable[[str], None]) -> Iterator[None]:
    """While this lasts, executions run on ``clock`` and call functions by ``invoke``.

    ``ended`` is told the ARN of each execution that has closed.
    """
    with contextlib.ExitStack() as patches:
        for name in DATED:
            patches.enter_context(mock.patch(name, _datetime_module(clock)))
        patches.enter_context(mock.patch(INVOKE, _lambda(invoke)))
        pauses = _Pauses(clock)
        patches.enter_context(mock.patch(PAUSES, pauses))
        patches.enter_context(
            mock.patch.object(RetrierDecl, "_eval_body", pauses.remembering(RetrierDecl._eval_body))
        )
        patches.enter_context(
            mock.patch.object(Environment, "set_error", _while_running(Environment.set_error))
        )
        patches.enter_context(mock.patch.object(WaitFunction, "_wait_interval", pauses.waiting))
        patches.enter_context(mock.patch.object(ExecutionWorker, "start", _start(clock, ended)))
        patches.enter_context(mock.patch.object(Environment, "set_error", _unless_stopped))
        yield


def _datetime_module(clock: Clock) -> Any:
    """A stand-in for the module datetime whose ``datetime.now`` is the clock's."""

    class Clocked(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
            return datetime.datetime.fromtimestamp(clock.now(), tz)

    names = {name: getattr(datetime, name) for name in dir(datetime) if not name.startswith("__")}
    return types.SimpleNamespace(**{**names, "datetime": Clocked})


def _while_running(original: Callable[..., None]) -> Callable[..., None]:
    """Wrap Environment.set_error: an attempt that fails after StopExecution leaves the execution ABORTED."""

    def set_error(env: Environment, error: Any) -> None:
        if env.is_running():
            original(env, error)

    return set_error


def _lambda(invoke: Invoke) -> Callable[..., Json]:
    def answer(parameters: Json, region: str, state_credentials: object) -> Json:  # noqa: ARG001
        name = parameters["FunctionName"].split(":")[6]
        event = json.loads(parameters.get("Payload") or b"{}")
        return invocation(lambda: invoke(name, event))

    return answer


def invocation(call: Callable[[], Any]) -> Json:
    """The answer of Lambda's Invoke: what a function returns or raises has passed through JSON.

    https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
    """
    answer: Json = {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
    try:
        return {**answer, "Payload": json.loads(json.dumps(call()))}
    except Exception as error:  # whatever a handler raises, Lambda reports; nothing is hidden
        name = getattr(error, "error_type", type(error).__name__)
        payload = {"errorMessage": str(error), "errorType": name, "stackTrace": []}
        return {**answer, "FunctionError": "Unhandled", "Payload": payload}


_set_error = Environment.set_error


def _unless_stopped(env: Environment, error: Any) -> None:
    """An execution that was stopped while a retrier paused is ABORTED, not failed with the old error."""
    if not isinstance(env._program_state, ProgramStopped):
        _set_error(env, error)


class _Pauses:
    """Stands for the module time where retriers pause; knows whose pause it is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._local = threading.local()
        self.time = clock.now

    def remembering(self, original: Callable[..., None]) -> Callable[..., None]:
        """Wrap RetrierDecl._eval_body so that ``sleep`` knows the execution."""

        def eval_body(decl: RetrierDecl, env: Environment) -> None:
            self._local.env = env
            original(decl, env)

        return eval_body

    def sleep(self, seconds: float) -> None:
        """Pause, but not past the end of the machine's TimeoutSeconds, at which the execution times out."""
        self._pause(self._local.env, seconds)

    @property
    def waiting(self) -> Callable[[WaitFunction, Environment, int], None]:
        """Stands for WaitFunction._wait_interval: a Wait state on the clock."""
        return lambda _wait, env, wait_seconds: self._pause(env, wait_seconds)

    def _pause(self, env: Environment, seconds: float) -> None:
        ends_at = getattr(env, "ends_at", float("inf"))
        left = ends_at - self._clock.now()
        if seconds >= left:
            self._clock.sleep(left)
            env.set_timed_out()
            return
        self._clock.sleep(seconds)


def _start(clock: Clock, ended: Callable[[str], None]) -> Callable[[ExecutionWorker], None]:
    def start(worker: ExecutionWorker) -> None:
        # An actor from now on, not from when the thread gets going: the clock must not run ahead of it.
        clock.enter()
        threading.Thread(target=lambda: act(worker), name="execution", daemon=True).start()

    def act(worker: ExecutionWorker) -> None:
        try:
            _limit(worker, clock)
            worker._execution_logic()
            ended(worker._evaluation_details.execution_details.arn)
        finally:
            clock.leave()

    return start


def _limit(worker: ExecutionWorker, clock: Clock) -> None:
    """Note on the environment, once it is made, when the machine's TimeoutSeconds are over."""
    seconds = json.loads(worker._evaluation_details.state_machine_details.definition).get("TimeoutSeconds")
    if seconds is None:
        return
    make, ends_at = worker._get_evaluation_environment, clock.now() + seconds

    def environment() -> Environment:
        env = make()
        env.ends_at = ends_at
        return env

    worker._get_evaluation_environment = environment
