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

Handler = Callable[[dict[str, Any], object], dict[str, Any]]


def logger() -> Logger:
    """The log of one function; level and service come from its environment."""
    return Logger(service="stepdrain", use_rfc3339=True)


def waits(handler: Handler) -> Handler:
    """For a handler whose NotYet is expected, many times in a drain: its error goes without a stack trace.

    Lambda's client for Python logs each exception of a handler with its stack, and there is no setting
    against it. It reads the stack by ``traceback.extract_tb``, which keeps to ``sys.tracebacklimit``. That
    holds for the whole process, so it is set on Lambda alone, where a process has one invocation at a time.
    """

    @functools.wraps(handler)
    def run(event: dict[str, Any], context: object) -> dict[str, Any]:
        _trace(True)
        try:
            return handler(event, context)
        except NotYet as error:
            _trace(False)
            raise error.with_traceback(None) from None

    return run


def _trace(shown: bool) -> None:
    if "AWS_LAMBDA_RUNTIME_API" not in os.environ:
        return
    if not shown:
        sys.tracebacklimit = 0
    elif hasattr(sys, "tracebacklimit"):
        del sys.tracebacklimit
