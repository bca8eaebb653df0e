"""Runs the embedded account's functions from the built archives.

with functions.running(artifacts.made(), log) as run:
    world.aws.invoke_by = run

Each invocation is a cold start: a new process of the runtime's own interpreter, Lambda's own
client in it, and of Python packages only what was built and what the runtime has. Permissions
are judged only where functions run in process (stepdrain_sandbox.aws.permissions).
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from stepdrain_sandbox.aws.account import access_key
from stepdrain_sandbox.aws.deploy import STACK, Function
from stepdrain_sandbox.built import aws_endpoint, runtime_api
from stepdrain_sandbox.built.artifacts import Built

Json = dict[str, Any]
WITHIN_S = 60
LOGGING = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
"""What Lambda sets for the LoggingConfig of the template's functions
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html)."""


class FunctionFailed(Exception):
    """What a function ended with: its error's name and message, as Lambda reports them."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


@contextlib.contextmanager
def running(built: Built, log: IO[str]) -> Iterator[Callable[[Function, Json], Any]]:
    """A function that runs a deployed function for an event; what they print goes to ``log``."""
    with aws_endpoint.serving() as address:
        surroundings = {**built.environment(), "AWS_ENDPOINT_URL": f"http://{address}", **LOGGING}
        yield lambda function, event: _run(built, surroundings, function, event, log)


def _run(built: Built, surroundings: Mapping[str, str], function: Function, event: Json, log: IO[str]) -> Any:
    environment = {
        **surroundings,
        **function.environment,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_ACCESS_KEY_ID": access_key(function.name.removeprefix(f"{STACK}-")),
    }
    try:
        result = runtime_api.invoke(built.command(function.handler), environment, event, WITHIN_S, log)
    except queue.Empty:
        raise FunctionFailed("Sandbox.Timedout", f"No result after {WITHIN_S} s.") from None
    if result.kind == "response":
        return result.body
    error_type = result.body.get("errorType", "Runtime.ExitError")
    raise FunctionFailed(error_type, result.body.get("errorMessage", ""))
