"""Caches what moto and botocore work out repeatedly: state machines, paths, role ARNs, names, times.

moto parses the whole state machine for each execution (0.1 s of CPU), and each path on every
entry of a state. Together that is a third of a drain's work, outside the functions. For each role ARN it
makes a session, which costs as much as a tenth of a drain; for each request it inspects a class, and for
each member of an answer it looks for the names that the member may have. Each element of an XML answer has
its name checked, and each time in an answer is read by a parser that knows a hundred forms.
"""

from __future__ import annotations

import contextlib
import copy
import pickle
import threading
from collections.abc import Iterator
from functools import cache, lru_cache, partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

import xmltodict
from botocore import utils as botocore_utils
from jsonpath_ng import parse as parse_plain
from jsonpath_ng.ext import parse as parse_extended
from moto.core import utils as moto_utils
from moto.core.constants import MISSING
from moto.core.serialize import (
    AttributePicker,
    AttributePickerContext,
    ResponseSerializer,
    XFormedAttributePicker,
)
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
ROLES = {"moto.eks.models.validate_role_arn": cache(validate_role_arn)}
"""An ARN that is wrong raises each time."""
COPYING = ("component.common.string.string_expression", "component.common.path.result_path", "eval.states")
"""Modules that copy what flows between the states, many times for each state."""
METHODS = "moto.core.responses.method_names_from_class"
_get_value = ResponseSerializer.get_value
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


def _copied(value: Any) -> Any:
    """As copy.deepcopy, of which JSON's few types need a fraction."""
    if type(value) is dict:
        return {key: _copied(member) for key, member in value.items()}
    if type(value) is list:
        return [_copied(item) for item in value]
    return value if type(value) in (str, int, float, bool, type(None)) else copy.deepcopy(value)


def _picked(serializer: ResponseSerializer, value: Any, key: str, shape: Any) -> Any:
    """As ResponseSerializer.get_value. A member's names depend on the model and on the object's class."""
    picker = serializer._value_picker
    if type(picker) not in (AttributePicker, XFormedAttributePicker):
        return _get_value(serializer, value, key, shape)
    of_owner = (type(value), getattr(value, "Meta", None))
    place = (type(picker), shape, getattr(shape, "parent", None), key, of_owner, *picker.alias_providers)
    names = _KNOWN.get(place)
    if names is None:
        names = _KNOWN[place] = tuple(picker.get_possible_keys(AttributePickerContext(value, key, shape)))
    found = _first(value, names)
    for path, transform in picker.response_transformers.items():
        if key.endswith(path.rpartition(".")[2]) and ".".join([*serializer.path, key]).endswith(path):
            return transform(found)
    return found


def _first(owner: Any, names: tuple[str, ...]) -> Any:
    """The first of these members that the object has; None if it has none of them."""
    if type(owner) is dict:
        find = owner.get
    else:
        find = partial(moto_utils.get_value if hasattr(owner, "__getitem__") else getattr, owner)
    for name in names:
        value = moto_utils.get_value(owner, name, MISSING) if "." in name else find(name, MISSING)
        if value is not MISSING:
            return value
    return None


@cache
def _validated(definition: str) -> None:
    """Cached for valid definitions; an invalid definition raises each time."""
    _validate(definition=definition)


_KNOWN: dict[Any, tuple[str, ...]] = {}
"""The names that each member of an answer may have."""
_CHECKED = cache(xmltodict._validate_name)
"""A name that is wrong raises each time."""
_READ = lru_cache(maxsize=10_000)(botocore_utils._parse_timestamp_with_tzinfo)
"""Each time is immutable; a night has many."""


@contextlib.contextmanager
def asked_once() -> Iterator[None]:
    """Inside this context, each is worked out once in this process; what has an error, each time."""
    with contextlib.ExitStack() as patches:
        for name, cached in (PATHS | ROLES).items():
            patches.enter_context(mock.patch(name, cached))
        for name in COPYING:
            patches.enter_context(mock.patch(f"{ASL}.{name}.copy", SimpleNamespace(deepcopy=_copied)))
        # Anew each time: an embedded account adds methods to moto's classes.
        patches.enter_context(mock.patch(METHODS, cache(method_names_from_class)))
        patches.enter_context(mock.patch.object(AmazonStateLanguageParser, "parse", staticmethod(_machine)))
        patches.enter_context(mock.patch.object(ResponseSerializer, "get_value", _picked))
        patches.enter_context(mock.patch.object(xmltodict, "_validate_name", _CHECKED))
        patches.enter_context(mock.patch.object(botocore_utils, "_parse_timestamp_with_tzinfo", _READ))
        validate = staticmethod(_validated)
        patches.enter_context(mock.patch.object(StepFunctionsParserBackend, "_validate_definition", validate))
        yield
