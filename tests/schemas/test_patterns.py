"""The schemas' patterns: each matches the whole of a value, also where that ends in a line break."""

import copy
import json
from pathlib import Path

import pytest
from stepdrain.errors import InvalidEvent
from stepdrain.schemas.validation import validate

EVENTS = Path(__file__).parent.parent / "events"
SCHEMAS = Path(__file__).parents[2] / "functions" / "stepdrain" / "schemas"
BY_EVENT = {
    "terminate-lifecycle-action": "lifecycle-action",
    "launch-lifecycle-action": "lifecycle-launch",
}
"""The schema of a sample event, where it is not called like the event."""


def patterns(value):
    """Each pattern within a schema."""
    if isinstance(value, dict):
        if isinstance(value.get("pattern"), str):
            yield value["pattern"]
        for inner in value.values():
            yield from patterns(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from patterns(inner)


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.stem)
def test_each_pattern_that_has_an_end_refuses_a_line_break_behind_it(path):
    """Python's $ matches before a last line break, which a schema's author does not expect."""
    for pattern in patterns(json.loads(path.read_text())):
        assert "$" not in pattern or pattern.endswith("$(?!\n)"), pattern


ENVELOPE = ["account", "region"]
FIELDS = [
    (event.stem, path)
    for event in sorted(EVENTS.glob("*.json"))
    for path in [
        *((name,) for name in ENVELOPE),
        *(
            ("detail", name)
            for name, value in json.loads(event.read_text())["detail"].items()
            if name in ("EC2InstanceId", "LifecycleActionToken", "LifecycleHookName", "AutoScalingGroupName")
            or name in ("instance-id", "capacity-reservation-id")
        ),
    ]
]


@pytest.mark.parametrize(("name", "path"), FIELDS, ids=str)
def test_no_event_gets_through_with_a_line_break_in_a_name(name, path):
    """It would go into an execution's name, an ARN, or a log line."""
    event = json.loads((EVENTS / f"{name}.json").read_text())
    schema = BY_EVENT.get(name, name)
    validate(schema, event)
    broken = copy.deepcopy(event)
    holder = broken[path[0]] if len(path) > 1 else broken
    holder[path[-1]] += "\n"
    with pytest.raises(InvalidEvent, match=path[-1]):
        validate(schema, broken)
