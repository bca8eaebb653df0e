"""How time passes in an execution: pauses of Retry and Wait, timeouts of Tasks, and interruptions.

moto's interpreter waits in real seconds. Here everything waits on the world's clock, so that an
hour of retries passes in a moment, and so does the timeout of a Task that never answers.
"""

from __future__ import annotations

import contextlib
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from moto.stepfunctions.parser.asl.component.common.retry.retrier_decl import RetrierDecl
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped, ProgramTimedOut

from stepdrain_sandbox.clock import Clock, Idle, Interruption

PARSER = "moto.stepfunctions.parser.asl.component"
RETRY_TIME = f"{PARSER}.common.retry.retrier_decl.time"
TASK = f"{PARSER}.state.exec.execute_state"


@contextlib.contextmanager
def on(clock: Clock) -> Iterator[None]:
    """Inside this context, executions pause, time out and stop on ``clock``."""
    pauses = _Pauses(clock)
    patched = mock.patch.object
    with contextlib.ExitStack() as patches:
        enter = patches.enter_context
        enter(mock.patch(RETRY_TIME, pauses))
        enter(patched(RetrierDecl, "_eval_body", pauses.remembering(RetrierDecl._eval_body)))
        enter(patched(WaitFunction, "_wait_interval", pauses.waiting))
        enter(patched(Environment, "set_stop", _interrupting(Environment.set_stop)))
        enter(patched(Environment, "set_error", _unless_over(Environment.set_error)))
        enter(patched(Environment, "open_frame", _remembered(Environment.open_frame)))
        enter(mock.patch(f"{TASK}.threading", types.SimpleNamespace(Event=lambda: _begun(clock))))
        enter(mock.patch(f"{TASK}.Thread", Work))
        enter(patched(EventManager, "add_event", _unless_late(EventManager.add_event)))
        yield


def _interrupting(original: Callable[..., None]) -> Callable[..., None]:
    """Wrap Environment.set_stop: StopExecution ends a pause or the wait for a function at once, as on AWS."""

    def set_stop(env: Environment, **arguments: Any) -> None:
        original(env, **arguments)
        if interruption := getattr(env, "interruption", None):
            interruption.set()

    return set_stop


def _unless_over(original: Callable[..., None]) -> Callable[..., None]:
    """Wrap Environment.set_error: no late error fails an execution that was stopped or has timed out."""

    def set_error(env: Environment, error: Any) -> None:
        if env.is_running():
            original(env, error)

    return set_error


def _remembered(original: Callable[..., Environment]) -> Callable[..., Environment]:
    """Wrap Environment.open_frame, which a Task calls first, so that ``_begun`` knows the execution."""

    def open_frame(env: Environment, *arguments: Any, **named: Any) -> Environment:
        Work.beginning.env = env
        return original(env, *arguments, **named)

    return open_frame


def _begun(clock: Clock) -> Termination:
    """The Termination for the next Work that this thread creates."""
    Work.beginning.termination = Termination(clock, Work.beginning.env)
    return Work.beginning.termination


def _unless_late(original: Callable[..., int]) -> Callable[..., int]:
    """Wrap EventManager.add_event: events of a function whose Task has timed out are not recorded.

    Nor is anything of an execution that was stopped or has timed out, but its own end.
    """

    def add_event(*arguments: Any, **named: Any) -> int:
        work = threading.current_thread()
        if isinstance(work, Work) and work.termination.late:
            return 0
        env = getattr(Work.beginning, "env", None)
        cut_off = env is not None and isinstance(env._program_state, ProgramStopped | ProgramTimedOut)
        if cut_off and not named["event_type"].startswith("Execution"):
            return 0
        return original(*arguments, **named)

    return add_event


class Work(threading.Thread):
    """The thread in which a Task's function runs, with the event that signals its end."""

    beginning = threading.local()

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.termination: Termination = self.beginning.termination


class _Pauses:
    """Replaces the module time where retriers pause; knows which execution pauses."""

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
        """Pause, at most until the machine's TimeoutSeconds are over: then the execution times out."""
        self._pause(self._local.env, seconds)

    @property
    def waiting(self) -> Callable[[WaitFunction, Environment, int], None]:
        """Replaces WaitFunction._wait_interval: a Wait state on the clock."""
        return lambda _wait, env, wait_seconds: self._pause(env, wait_seconds)

    def _pause(self, env: Environment, seconds: float) -> None:
        left = getattr(env, "ends_at", float("inf")) - self._clock.now()
        # Stored before the check: a stop in between is not missed.
        env.interruption = interruption = Interruption()
        if env.is_running():
            self._clock.sleep(min(seconds, left), interruption)
        if seconds >= left and env.is_running():
            env.set_timed_out()


class Termination:
    """Replaces the threading.Event that signals the end of a Task's work.

    ``wait`` uses the clock for its timeout. After a timeout the execution goes on, and the work ends later:
    nobody ends a function because its execution was stopped, or has timed out.
    """

    def __init__(self, clock: Clock, env: Environment) -> None:
        self._clock, self._env = clock, env
        self._decided, self._lock = threading.Event(), threading.Lock()
        self._late: Idle | None = None
        # The work starts before the wait: time must not pass until the timeout is set.
        self._until_waiting = clock.detach()

    @property
    def late(self) -> bool:
        """Whether the Task has timed out, or its execution is over."""
        return self._late is not None

    def set(self) -> None:
        with self._lock:
            if self._late is not None:
                self._late.end()
            self._decided.set()

    def wait(self, timeout: float) -> bool:
        """True if the work ended within ``timeout`` seconds, and within the machine's TimeoutSeconds."""
        ends_at = getattr(self._env, "ends_at", float("inf"))
        timer = self._clock.call_at(min(self._clock.now() + timeout, ends_at), self._expire)
        self._env.interruption = Interruption()
        self._env.interruption.notify(self._expire)
        if not self._env.is_running():
            self._expire()
        self._until_waiting.end()
        self._decided.wait()
        timer.cancel()
        if self._late is not None and self._clock.now() >= ends_at and self._env.is_running():
            self._env.set_timed_out()
        return self._late is None

    def _expire(self) -> None:
        with self._lock:
            if not self._decided.is_set():
                self._late = self._clock.detach()
                self._decided.set()
