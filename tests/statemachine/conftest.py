"""The rendered definition, as it is deployed; the authoring is not needed to judge it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEFINITION = ROOT / "statemachine" / "drain_node.asl.json"


@pytest.fixture(scope="session")
def text() -> str:
    """The definition as committed."""
    return DEFINITION.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def machine(text: str) -> dict[str, Any]:
    """The definition, parsed."""
    return json.loads(text)


@pytest.fixture(scope="session")
def tasks(machine: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Its Task states by name."""
    return {name: state for name, state in machine["States"].items() if state["Type"] == "Task"}


@pytest.fixture(scope="session")
def admission() -> dict[str, dict[str, Any]]:
    """AdmitNode's Task states by name."""
    states = json.loads(DEFINITION.with_name("admit_node.asl.json").read_text(encoding="utf-8"))["States"]
    return {name: state for name, state in states.items() if state["Type"] == "Task"}


@pytest.fixture(scope="session")
def placeholders(text: str) -> set[str]:
    """The names N of all ``${N}``."""
    return set(re.findall(r"\$\{([^}]*)\}", text))


@pytest.fixture(scope="session")
def substituted(text: str) -> str:
    """The definition with an ARN for each placeholder, as CloudFormation would leave it."""
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:"
    return re.sub(r"\$\{(\w+)FunctionArn\}", rf"{arn}\1", text.replace("${Partition}", "aws"))
