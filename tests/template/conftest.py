"""Stacks that most tests look at."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.template.stack import ROOT, Stack


@pytest.fixture(scope="session")
def stack() -> Stack:
    """As little as can be given."""
    return Stack()


@pytest.fixture(scope="session")
def full() -> Stack:
    """Everything that is optional."""
    return Stack(
        GroupNames="blue,green",
        CreateLifecycleHooks="true",
        SubnetIds="subnet-0a1b2c3d,subnet-1a2b3c4d",
        SecurityGroupIds="sg-0a1b2c3d",
        Tracing="true",
        NotificationEmail="on-call@example.com",
        PermissionsBoundaryArn="arn:aws:iam::123456789012:policy/boundary",
    )


@pytest.fixture(scope="session")
def machine() -> dict[str, Any]:
    """The state machine's definition as it is deployed."""
    parsed: dict[str, Any] = json.loads((ROOT / "statemachine" / "drain_node.asl.json").read_text())
    return parsed
