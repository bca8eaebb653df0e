"""Caches what moto works out repeatedly: state machines, paths in documents, role ARNs, and methods.

moto parses the whole state machine for each execution (0.1 s of CPU), and each path on every
entry of a state. Together that is a third of a drain's work, outside the functions. For each role ARN it
makes a session, which costs as much as a tenth of a drain, and for each request it inspects a class.
"""

from __future__ import annotations

import contextlib
import pickle
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any
from unittest import mock

from jsonpath_ng import parse as parse_plain
from jsonpath_ng.ext import parse as parse_extended
from moto.core.utils import method_names_from_class
from moto.eks.utils import validate_role_arn
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

ASL = "moto.stepfunctions.parser.asl"
PATHS = {
    f"{ASL}.utils.json_path.parse": cache(parse_extended),
    f"{ASL}.component.common.path.result_path.parse": cache(parse_plain),
}
"""Parsed paths are immutable; the two modules use different dialects."""
ANSWERS = {
    "moto.eks.models.validate_role_arn": cache(validate_role_arn),
    "moto.core.responses.method_names_from_class": cache(method_names_from_class),
}
"""The same answer each time; an ARN that is wrong raises each time."""
_parse, _validate = AmazonStateLanguageParser.parse, StepFunctionsParserBackend._validate_definition
_LOCK = threading.Lock()


@cache
def _parsed(definition: str) -> tuple[bytes, Any]:
    program, tree = _parse(definition)
    # A sixteenth of what copy.deepcopy takes.
    return pickle.dumps(program, pickle.HIGHEST_PROTOCOL), tree


def _machine(definition: str) -> tuple[Any, Any]:
    """As AmazonStateLanguageParser.parse: the program (a copy for each execution), and the tree."""
    with _LOCK:  # A hundred executions that start at once would all parse it.
        program, tree = _parsed(definition)
    # A program counts its retries while it runs, so the cached program never runs.
    return pickle.loads(program), tree


@cache
def _validated(definition: str) -> None:
    """Cached for valid definitions; an invalid definition raises each time."""
    _validate(definition=definition)


@contextlib.contextmanager
def asked_once() -> Iterator[None]:
    """Inside this context, each is worked out once in this process; what has an error, each time."""
    with contextlib.ExitStack() as patches:
        for name, cached in (PATHS | ANSWERS).items():
            patches.enter_context(mock.patch(name, cached))
        patches.enter_context(mock.patch.object(AmazonStateLanguageParser, "parse", staticmethod(_machine)))
        validate = staticmethod(_validated)
        patches.enter_context(mock.patch.object(StepFunctionsParserBackend, "_validate_definition", validate))
        yield
