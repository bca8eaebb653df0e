"""A state machine's definition, checked: what the engine does not know is refused before anything runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stepdrain_engine import choices
from stepdrain_engine.documents import PATH

Json = dict[str, Any]
MACHINE = {"Comment", "StartAt", "States", "TimeoutSeconds", "Version"}
EVERY_STATE = {"Type", "Comment"}
GOES_ON = {"Next", "End"}
STATES = {
    "Task": GOES_ON
    | {"Resource", "Parameters", "ResultSelector", "ResultPath", "TimeoutSeconds", "Retry", "Catch"},
    "Wait": GOES_ON | {"Seconds", "SecondsPath", "Timestamp", "TimestampPath"},
    "Pass": GOES_ON | {"Result", "ResultPath", "Parameters"},
    "Choice": {"Choices", "Default"},
    "Succeed": set[str](),
    "Fail": {"Error", "Cause"},
}
"""Fields of each type of state, besides those of every state."""
RETRIER = {
    "ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds", "JitterStrategy",
    "Comment",
}  # fmt: skip
CATCHER = {"ErrorEquals", "ResultPath", "Next", "Comment"}
INVOKE = re.compile(r"arn:[^:]*:states:::lambda:invoke")
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


class Unsupported(ValueError):
    """A definition that the engine cannot run; the message says what it does not know, and where."""


def substituted(text: str, values: Mapping[str, str]) -> str:
    """The definition with each ``${Name}`` replaced by its value, as DefinitionSubstitutions do.

    Raises Unsupported for a placeholder without a value.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise Unsupported(f"The definition's placeholder {found[0]} has no value.")
        return values[found[1]]

    return PLACEHOLDER.sub(value, text)


def placeholders(text: str) -> set[str]:
    """The names of the placeholders in a definition."""
    return set(PLACEHOLDER.findall(text))


def parse(text: str) -> Json:
    """The definition in a JSON text, checked; raises Unsupported."""
    try:
        definition = json.loads(text)
    except ValueError as error:
        raise Unsupported(f"The definition is not JSON: {error}.") from error
    return check(definition)


def check(definition: Any) -> Json:
    """The definition itself, if the engine can run it; raises Unsupported."""
    if not isinstance(definition, dict) or not isinstance(definition.get("States"), dict):
        raise Unsupported("The definition has no States: it is no state machine.")
    _known("The state machine", definition, MACHINE)
    targets = [("StartAt", definition.get("StartAt"))]
    for name, state in definition["States"].items():
        _check_state(name, state)
        targets += [(name, target) for target in _targets(state)]
    for source, target in targets:
        if target not in definition["States"]:
            raise Unsupported(f"{source} goes to {target}, and there is no such state.")
    return definition


def _known(where: str, fields: Mapping[str, Any], known: Iterable[str]) -> None:
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise Unsupported(f"{where} has {', '.join(unknown)}, which this engine does not know.")


def _check_state(name: str, state: Json) -> None:
    where, kind = f"State {name}", state.get("Type")
    if kind not in STATES:
        raise Unsupported(f"{where} is of type {kind}, which this engine does not know.")
    _known(where, state, EVERY_STATE | STATES[kind])
    if kind == "Task" and not INVOKE.fullmatch(str(state.get("Resource"))):
        raise Unsupported(
            f"{where} has the resource {state.get('Resource')}; this engine only invokes functions."
        )
    for retrier in state.get("Retry", ()):
        _known(f"{where}, a retrier,", retrier, RETRIER)
    for catcher in state.get("Catch", ()):
        _known(f"{where}, a catcher,", catcher, CATCHER)
    for rule in state.get("Choices", ()):
        _check_choice(where, rule)
    for path in _paths(state):
        if not isinstance(path, str) or not PATH.fullmatch(path):
            raise Unsupported(f"{where} has {path!r}, which this engine does not know as a path.")


def _check_choice(where: str, rule: Json) -> None:
    for part in choices.parts(rule):
        if len(set(part) & choices.OPERATORS) != 1:
            raise Unsupported(f"{where} has a choice that this engine does not know: {sorted(part)}.")


def _paths(value: Any) -> Iterator[Any]:
    """Every path that stands in a state, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key.endswith((".$", "Path")) or key == "Variable":
                if inner is not None:
                    yield inner
            else:
                yield from _paths(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner)


def _targets(state: Json) -> list[Any]:
    rules = [*state.get("Catch", ()), *state.get("Choices", ())]
    followed = [rule.get("Next") for rule in rules]
    if state["Type"] == "Choice":
        return followed + ([state["Default"]] if "Default" in state else [])
    if state["Type"] in ("Succeed", "Fail") or state.get("End"):
        return followed
    return [*followed, state.get("Next")]
