"""moto's Step Functions interpreter on the world's clock, with the real handlers in process.

Each patch below, and in pauses.py, replaces a name in moto. tests/sandbox/aws/test_engine.py has a test for
each patch, so that an upgrade of moto that moves a name fails a test that says which.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import threading
import traceback
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from moto.stepfunctions.parser.asl.component.state.state import CommonStateField
from moto.stepfunctions.parser.asl.component.state.state_type import StateType
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.utils import TMP_THREADS
from stepdrain.errors import NotYet

from stepdrain_sandbox.aws import pauses
from stepdrain_sandbox.clock import Clock

Json = dict[str, Any]
Invoke = Callable[[str, Json], Any]
"""Runs the function of that name with an event; returns its answer, or raises what it raised."""
Workers = dict[ExecutionWorker, threading.Thread]
LEFT_S = 5
"""Real seconds in which an execution that is stopped has ended."""
PARSER = "moto.stepfunctions.parser"
INVOKE = f"{PARSER}.asl.component.state.exec.state_task.lambda_eval_utils._invoke_lambda_function"
DATED = (
    f"{PARSER}.asl.component.state.state.datetime",
    f"{PARSER}.asl.eval.event.event_manager.datetime",
    f"{PARSER}.models.datetime",
    f"{PARSER}.backend.execution.datetime",
)
"""Where the interpreter reads the time: on entering a state, in events, at start and stop."""


@contextlib.contextmanager
def running(
    clock: Clock,
    invoke: Invoke,
    ended: Callable[[str], None],
    transition: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Inside this context, executions run on ``clock`` and call functions by ``invoke``.

    ``transition`` is called before each attempt of a Task and before each other state; ``ended`` is called
    with the ARN of each execution that has closed.
    """
    with contextlib.ExitStack() as patches:
        for name in DATED:
            patches.enter_context(mock.patch(name, _datetime_module(clock)))
        patches.enter_context(mock.patch(INVOKE, _lambda(invoke, transition)))
        entered = _entering(CommonStateField._eval_body, transition)
        patches.enter_context(mock.patch.object(CommonStateField, "_eval_body", entered))
        patches.enter_context(pauses.on(clock))
        workers = patches.enter_context(_workers())
        patches.enter_context(mock.patch.object(ExecutionWorker, "start", _start(clock, ended, workers)))
        yield


@contextlib.contextmanager
def _workers() -> Iterator[Workers]:
    """The executions that run, with their threads; what still runs in the end is stopped.

    It would go on after the patches are undone, in the next test's account.
    """
    workers: Workers = {}
    try:
        yield workers
    finally:
        left = list(workers.items())
        workers.clear()
        for worker, _ in left:
            worker.env.set_stop(stop_date=datetime.datetime.now(datetime.UTC), cause=None, error=None)
        for _, thread in left:
            thread.join(LEFT_S)
        # moto keeps all threads for ever, and by them each world that there was.
        TMP_THREADS.clear()


def _datetime_module(clock: Clock) -> Any:
    """A stand-in for the module datetime whose ``datetime.now`` reads the clock.

    Its text has the form of the context object: milliseconds and Z
    (https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html).
    """

    class Clocked(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Clocked:
            return cls.fromtimestamp(clock.now(), tz)

        def isoformat(self, sep: str = "T", timespec: str = "milliseconds") -> str:
            return super().isoformat(sep, timespec).replace("+00:00", "Z")

    names = {name: getattr(datetime, name) for name in dir(datetime) if not name.startswith("__")}
    return types.SimpleNamespace(**{**names, "datetime": Clocked})


def _entering(original: Callable[..., None], transition: Callable[[], None]) -> Callable[..., None]:
    """Wrap CommonStateField._eval_body: entering a state is a transition; for a Task each attempt is."""

    def eval_body(state: CommonStateField, env: Environment) -> None:
        if state.state_type is not StateType.Task:
            transition()
        original(state, env)

    return eval_body


def _lambda(invoke: Invoke, transition: Callable[[], None]) -> Callable[..., Json]:
    def answer(parameters: Json, region: str, state_credentials: object) -> Json:  # noqa: ARG001
        transition()
        name = parameters["FunctionName"].split(":")[6]
        event = json.loads(parameters.get("Payload") or b"{}")
        return invocation(lambda: invoke(name, event))

    return answer


def invocation(call: Callable[[], Any]) -> Json:
    """The answer of Lambda's Invoke: what a function returns or raises passes through JSON.

    https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
    """
    answer: Json = {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
    try:
        return {**answer, "Payload": json.loads(json.dumps(call()))}
    except Exception as error:  # whatever a handler raises, Lambda reports; nothing is hidden
        name = getattr(error, "error_type", type(error).__name__)
        # Keys in the order of Lambda's client, and only the function's own frames.
        payload = {
            "errorMessage": str(error),
            "errorType": name,
            "requestId": str(uuid.uuid4()),
            "stackTrace": stack_of(error),
        }
        return {**answer, "FunctionError": "Unhandled", "Payload": payload}


def stack_of(error: BaseException) -> list[str]:
    """The frames of the function's own code, as Lambda's client formats them."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((k for k, frame in enumerate(frames) if "stepdrain/steps/" in frame.filename), len(frames))
    return [] if isinstance(error, NotYet) else traceback.format_list(frames[first:])


def _start(clock: Clock, ended: Callable[[str], None], workers: Workers) -> Callable[[ExecutionWorker], None]:
    def start(worker: ExecutionWorker) -> None:
        # An actor before its thread starts: otherwise the clock could run ahead of it.
        clock.enter()
        thread = threading.Thread(target=lambda: act(worker), name="execution", daemon=True)
        workers[worker] = thread
        thread.start()

    def act(worker: ExecutionWorker) -> None:
        try:
            _limit(worker, clock)
            worker._execution_logic()
            if workers.pop(worker, None) is not None:
                ended(worker._evaluation_details.execution_details.arn)
        finally:
            clock.leave()

    return start


def _limit(worker: ExecutionWorker, clock: Clock) -> None:
    """Store in the environment when the machine's TimeoutSeconds are over."""
    seconds = json.loads(worker._evaluation_details.state_machine_details.definition).get("TimeoutSeconds")
    if seconds is None:
        return
    make, ends_at = worker._get_evaluation_environment, clock.now() + seconds

    def environment() -> Environment:
        env = make()
        env.ends_at = ends_at
        return env

    worker._get_evaluation_environment = environment
