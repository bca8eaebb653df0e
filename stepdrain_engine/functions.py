"""The functions that a definition names, run in this process as Lambda would: by name, through JSON."""

from __future__ import annotations

import importlib
import json
import re
import traceback
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any

from stepdrain.errors import DrainError

from stepdrain_engine.definition import placeholders
from stepdrain_engine.interpreter import TaskFailed

Handler = Callable[[Any, Any], Any]


def substitutions(definition: str, region: str, account: str) -> dict[str, str]:
    """A value for each placeholder of a definition: ARNs of functions in a region of an account."""
    arns = {
        placeholder: f"arn:aws:lambda:{region}:{account}:function:{placeholder.removesuffix('Arn')}"
        for placeholder in placeholders(definition)
        if placeholder.endswith("FunctionArn")
    }
    return {"Partition": "aws", **arns}


def name(function: str) -> str:
    """The name that a function's state has, too: ``FindNode`` for ``…:function:FindNodeFunction``."""
    return function.rpartition(":")[2].removesuffix("Function")


@cache
def handler(function: str) -> Handler:
    """The handler of a function, by its ARN or its name."""
    module = re.sub(r"(?<!^)(?=[A-Z])", "_", name(function)).lower()
    found: Handler = importlib.import_module(f"stepdrain.steps.{module}").handler
    return found


def invoke(call: Handler, payload: Any, context: Any) -> Any:
    """What the handler returns; TaskFailed with the error's name and Lambda's JSON for what it raises.

    https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
    """
    try:
        return json.loads(json.dumps(call(payload, context)))
    except Exception as error:  # whatever a handler raises, Lambda reports; nothing is hidden
        kind = type(error).__name__
        # An error of ours says all by its message.
        frames = [] if isinstance(error, DrainError) else traceback.format_tb(error.__traceback__)[1:]
        cause = {
            "errorMessage": str(error),
            "errorType": kind,
            "requestId": str(uuid.uuid4()),
            "stackTrace": frames,
        }
        raise TaskFailed(kind, json.dumps(cause, separators=(",", ":"))) from error
