"""Histories made by hand, event by event, as GetExecutionHistory gives them."""

import json

ARN = "arn:aws:states:eu-west-1:123456789012:execution:stepdrain-DrainNode:i-1-abc"
DOCUMENT = {
    "instanceId": "i-1",
    "cluster": "demo",
    "lifecycle": {
        "group": "workers",
        "token": "secret-token",
        "heartbeatTimeout": 1800,
        "globalTimeout": 172800,
    },
}


class History:
    """Appends events; ``at`` is the clock in seconds from the start."""

    def __init__(self):
        self.events, self.at, self.document = [], 0.0, DOCUMENT
        self.add("ExecutionStarted", executionStartedEventDetails={"input": json.dumps(DOCUMENT)})

    def add(self, kind, **details):
        event = {"id": len(self.events) + 1, "type": kind, "timestamp": 1_767_225_600.0 + self.at, **details}
        self.events.append(event)
        return self

    def after(self, seconds):
        self.at += seconds
        return self

    def enter(self, name, kind="Task"):
        return self.add(
            f"{kind}StateEntered", stateEnteredEventDetails={"name": name, "input": json.dumps(self.document)}
        )

    def attempt(self, error="", cause="", seconds=0.0):
        payload = {"Payload": {"execution": {"Id": ARN}}}
        self.add("TaskScheduled", taskScheduledEventDetails={"parameters": json.dumps(payload)}).add(
            "TaskStarted"
        )
        self.after(seconds)
        if not error:
            return self.add("TaskSucceeded")
        return self.add(
            "TaskFailed",
            taskFailedEventDetails={"error": error, "cause": json.dumps({"errorMessage": cause})},
        )

    def leave(self, name, kind="Task", **more):
        self.document = {**self.document, "node": {"name": "node-1.internal", "uid": "u"}, **more}
        return self.add(
            f"{kind}StateExited", stateExitedEventDetails={"name": name, "output": json.dumps(self.document)}
        )

    def passed(self, name, seconds=1.0):
        return self.enter(name).attempt(seconds=seconds).leave(name)

    def failed(self, error, cause):
        return self.add("ExecutionFailed", executionFailedEventDetails={"error": error, "cause": cause})


def begun():
    """FindNode, Label and Cordon are done, 3 s have passed."""
    return History().passed("FindNode").passed("Label").passed("Cordon")
