"""Events as their senders document them, and the settings of an installation that serves them."""

import copy
import json
from pathlib import Path

import pytest
from drain.policy import Policy
from drain.settings import IntakeSettings

EVENTS = Path(__file__).parent.parent / "events"


@pytest.fixture
def terminate_event():
    """The documented event of a terminating instance, the test's own copy."""
    return copy.deepcopy(json.loads((EVENTS / "terminate-lifecycle-action.json").read_text()))


@pytest.fixture
def settings():
    """An installation for cluster demo, group workers, hook stepdrain."""
    return IntakeSettings(
        cluster="demo",
        other_clusters=(),
        state_machine_arn="arn:aws:states:eu-west-1:123456789012:stateMachine:DrainNode",
        account_id="123456789012",
        hook_name="stepdrain",
        launch_hook_name="stepdrain-launch",
        group_names=("workers",),
        group_prefix="",
        skip_managed_node_groups=True,
        policy=Policy(),
    )
