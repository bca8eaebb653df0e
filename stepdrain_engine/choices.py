"""Which way a Choice goes. Pure.

https://states-language.net/spec.html#choice-state
"""

from __future__ import annotations

import fnmatch
import itertools
import operator
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from stepdrain_engine.documents import NotFound, read

Json = Mapping[str, Any]
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
ORDERED = [f"{kind}{name}" for kind in ("String", "Numeric", "Timestamp") for name in COMPARISONS]
WITH_PATH = [*ORDERED, "BooleanEquals"]
TESTS = ("IsPresent", "IsNull", "IsString", "IsNumeric", "IsBoolean", "IsTimestamp")
COMBINED = ("And", "Or", "Not")
OPERATORS = {
    *WITH_PATH,
    *(f"{name}Path" for name in WITH_PATH),
    "StringMatches",
    *TESTS,
    *COMBINED,
}


def parts(rule: Json) -> Iterator[Json]:
    """The rule and all rules inside it."""
    yield rule
    inner = [*rule.get("And", ()), *rule.get("Or", ()), *([rule["Not"]] if "Not" in rule else ())]
    yield from itertools.chain.from_iterable(map(parts, inner))


def chosen(state: Json, document: Any, context: Json) -> str | None:
    """The state that the first fitting rule names, else the default; None if there is neither.

    Raises NotFound if a rule compares what is not there.
    """
    for rule in state["Choices"]:
        if _holds(rule, document, context):
            return str(rule["Next"])
    return state.get("Default")


def _holds(rule: Json, document: Any, context: Json) -> bool:
    if "And" in rule:
        return all(_holds(part, document, context) for part in rule["And"])
    if "Or" in rule:
        return any(_holds(part, document, context) for part in rule["Or"])
    if "Not" in rule:
        return not _holds(rule["Not"], document, context)
    (name,) = set(rule) & OPERATORS
    if name == "IsPresent":
        return bool(_is_present(rule["Variable"], document, context) == rule[name])
    value = read(rule["Variable"], document, context)
    if name in TESTS:
        return bool(_is_of(name, value) == rule[name])
    wanted = rule[name]
    if name.endswith("Path"):
        name, wanted = name.removesuffix("Path"), read(wanted, document, context)
    return _compare(name, value, wanted)


def _is_present(path: str, document: Any, context: Json) -> bool:
    try:
        read(path, document, context)
    except NotFound:
        return False
    return True


def _is_of(name: str, value: Any) -> bool:
    match name:
        case "IsNull":
            return value is None
        case "IsString":
            return isinstance(value, str)
        case "IsNumeric":
            return _numeric(value)
        case "IsBoolean":
            return isinstance(value, bool)
    return _timestamp(value) is not None


def _compare(name: str, value: Any, wanted: Any) -> bool:
    if name == "StringMatches":
        # Of fnmatch's wildcards the language has only the asterisk.
        pattern = wanted.replace("[", "[[]").replace("?", "[?]")
        return isinstance(value, str) and fnmatch.fnmatchcase(value, pattern)
    kind = next(prefix for prefix in _KINDS if name.startswith(prefix))
    if kind == "Timestamp":
        value, wanted = _timestamp(value), _timestamp(wanted)
    comparable = _KINDS[kind](value) and _KINDS[kind](wanted)
    return comparable and COMPARISONS[name.removeprefix(kind)](value, wanted)


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _timestamp(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00")) if "T" in value else None
    except (AttributeError, TypeError, ValueError):
        return None


_KINDS: dict[str, Callable[[Any], bool]] = {
    "String": lambda value: isinstance(value, str),
    "Numeric": _numeric,
    "Boolean": lambda value: isinstance(value, bool),
    "Timestamp": lambda value: value is not None,
}
