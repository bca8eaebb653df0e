"""The functions' log: one JSON object a line, as Lambda's JSON log format takes it over.

Lambda keeps a line's own level only if its timestamp is RFC 3339; any other line it calls INFO
(https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html).
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger

from stepdrain.errors import NotYet

CLIENT, LOGS_ERRORS = "awslambdaric.bootstrap", "log_error"
"""The module of Lambda's client, and its function that logs what a handler has raised."""
Handler = Callable[[dict[str, Any], object], dict[str, Any]]


def logger() -> Logger:
    """The log of one function; level and service come from its environment."""
    return Logger(service="stepdrain", use_rfc3339=True)


LOG = logger()


def waits(handler: Handler) -> Handler:
    """For a handler whose NotYet is expected, many times in a drain: it is a line at INFO, without a stack.

    Lambda's client for Python logs each exception of a handler at ERROR and with its stack, and there is no
    setting against it (docs/decisions/0088). It reads the stack by ``traceback.extract_tb``, which keeps to
    ``sys.tracebacklimit``. That holds for the whole process, so it is set on Lambda alone, where a process
    has one invocation at a time.
    """

    @functools.wraps(handler)
    def run(event: dict[str, Any], context: object) -> dict[str, Any]:
        _trace(True)
        try:
            return handler(event, context)
        except NotYet as error:
            _trace(False)
            if _leave_waits_out():
                LOG.info(f"not yet: {error}", error=type(error).__name__)
            raise error.with_traceback(None) from None

    return run


def _leave_waits_out() -> bool:
    """Make Lambda's client log no wait at ERROR; False where it is not there, or not as it is known."""
    client = sys.modules.get(CLIENT)
    original = getattr(client, LOGS_ERRORS, None)
    if original is None or hasattr(original, "__wrapped__"):
        return original is not None

    @functools.wraps(original)
    def log_error(error_result: dict[str, Any], *where: Any) -> None:
        if error_result.get("errorType") not in _waits(NotYet):
            original(error_result, *where)

    setattr(client, LOGS_ERRORS, log_error)
    return True


def _waits(kind: type[NotYet]) -> set[str]:
    return {kind.__name__}.union(*(_waits(narrower) for narrower in kind.__subclasses__()))


def _trace(shown: bool) -> None:
    if "AWS_LAMBDA_RUNTIME_API" not in os.environ:
        return
    if not shown:
        sys.tracebacklimit = 0
    elif hasattr(sys, "tracebacklimit"):
        del sys.tracebacklimit
