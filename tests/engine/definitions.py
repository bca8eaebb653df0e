"""Small definitions for the engine: one state of the rendered machines alone, and machines made by hand."""

import copy
import json
from datetime import datetime
from pathlib import Path

from stepdrain_engine import definition, functions

ROOT = Path(__file__).resolve().parents[2]
REGION, ACCOUNT = "eu-west-1", "123456789012"


def rendered(name):
    """A rendered machine with its placeholders filled."""
    text = (ROOT / "statemachine" / f"{name}.asl.json").read_text()
    return definition.parse(definition.substituted(text, functions.substitutions(text, REGION, ACCOUNT)))


MACHINES = {name: rendered(name) for name in ("drain_node", "admit_node")}


def alone(machine, state):
    """One Task of a machine, whose ways lead to the end at once."""
    one = copy.deepcopy(MACHINES[machine]["States"][state])
    targets = {rule["Next"] for rule in one.get("Catch", ())} | ({one["Next"]} if "Next" in one else set())
    ends = {name: {"Type": "Succeed"} for name in targets - {state}}
    return {"StartAt": state, "TimeoutSeconds": 172_500, "States": {state: one, **ends}}


def task(**fields):
    """A Task that invokes the function Work."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {
            "FunctionName": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:WorkFunction",
            "Payload": {"drain.$": "$", "state.$": "$$.State"},
        },
        "TimeoutSeconds": 20,
        **fields,
    }


def machine(**states):
    """States in the order of the arguments, each followed by the next one."""
    names = list(states)
    linked = {}
    for name, following in zip(names, [*names[1:], None], strict=True):
        state = copy.deepcopy(states[name])
        if state["Type"] not in ("Choice", "Succeed", "Fail") and "Next" not in state:
            state |= {"Next": following} if following else {"End": True}
        linked[name] = state
    return {"StartAt": names[0], "States": linked}


def plain(events):
    """A history with JSON texts as values and times in milliseconds, without what depends on the account."""
    return [_plain(dict(event)) for event in events]


def _plain(event):
    shown = {"at": round(event.pop("timestamp").timestamp() * 1000)}
    for key, value in event.items():
        details = isinstance(value, dict)
        shown[key] = {name: _value(name, inner) for name, inner in value.items()} if details else value
    shown.get("executionStartedEventDetails", {}).pop("roleArn", None)
    return shown


def _value(name, value):
    if name not in ("input", "output", "parameters", "cause"):
        return value
    try:
        return comparable(json.loads(value))
    except ValueError:
        return value


def _milliseconds(time):
    return round(datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp() * 1000)


def comparable(value):
    """JSON without what is drawn for each call, with the context's times in one form."""
    if isinstance(value, str) and value.startswith('{"errorMessage"'):
        return comparable(json.loads(value))
    if isinstance(value, dict):
        return {
            key: _milliseconds(inner)
            if key in ("StartTime", "EnteredTime", "RedriveTime")
            else comparable(inner)
            for key, inner in value.items()
            if key not in ("RoleArn", "requestId", "stackTrace")
        }
    return value
