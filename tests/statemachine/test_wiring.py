"""One name, four places: state, placeholder, resource of the template, module."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse
from stepdrain.document.progress import Progress

from stepdrain_sandbox.aws.language_extensions import expand

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
State = dict[str, Any]
SHARED = {"HoldInstance": "Heartbeat"}
"""States that call another one's function."""


@pytest.fixture(scope="module")
def own(tasks: dict[str, State]) -> dict[str, State]:
    """The Task states that have a function of their own."""
    return {name: state for name, state in tasks.items() if name not in SHARED}


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    """The template's resources by logical id, its loops written out."""
    return dict(expand(yaml_parse(TEMPLATE.read_text(encoding="utf-8")), {})["Resources"])


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_each_placeholder_is_substituted_and_each_substitution_used(
    placeholders: set[str], resources: dict[str, Any]
) -> None:
    """CloudFormation leaves an unknown placeholder as it is, and the state calls a function of that name."""
    assert set(resources["DrainNode"]["Properties"]["DefinitionSubstitutions"]) == placeholders


def test_each_state_calls_the_function_of_its_own_name(tasks: dict[str, State]) -> None:
    """A state that calls its neighbour's function looks right in the console and does the wrong thing.

    HoldInstance is a heartbeat, too, that leads back to the beginning.
    """
    for name, state in tasks.items():
        assert state["Resource"] == "arn:${Partition}:states:::lambda:invoke", name
        assert state["Parameters"]["FunctionName"] == f"${{{SHARED.get(name, name)}FunctionArn}}", name


def test_each_function_of_the_template_runs_the_module_of_its_state(
    own: dict[str, State], resources: dict[str, Any]
) -> None:
    """The logical id is what the state names, the handler what then runs."""
    handlers = {name: resources[f"{name}Function"]["Properties"]["Handler"] for name in own}
    assert handlers == {name: f"stepdrain.steps.{snake(name)}.handler" for name in own}


def test_each_state_has_a_module(own: dict[str, State]) -> None:
    """Who sees a red state opens the file of that name."""
    steps = ROOT / "functions" / "stepdrain" / "steps"
    missing = [n for n in own if not (steps / f"{snake(n)}.py").exists()]
    assert missing == []


def test_a_functions_timeout_ends_before_its_states(
    tasks: dict[str, State], resources: dict[str, Any]
) -> None:
    """Else the state gives up first, and the function goes on beside its own next attempt."""
    for name, state in tasks.items():
        function = resources[f"{SHARED.get(name, name)}Function"]["Properties"]
        assert "Timeout" in function, name
        assert function["Timeout"] <= state["TimeoutSeconds"], name


def test_the_record_of_a_round_passes_whole(tasks: dict[str, State]) -> None:
    """A field that the functions write and a state drops is lost for the rest of the drain."""
    written = {f"{field}.$" for field in Progress(number=0, heartbeat_at=0.0).to_document()}
    for name in (
        "EvictBatch",
        "WaitForPods",
        "WaitForVolumes",
        "WaitForTargets",
        "Heartbeat",
        "HoldInstance",
    ):
        assert set(tasks[name]["ResultSelector"]) == written, name
        assert tasks[name]["ResultPath"] == "$.progress"
