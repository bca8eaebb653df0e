"""What the cases share: situations that people who drain nodes have met."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

from stepdrain_sandbox.kube.status import failure


class Look:
    """A world as somebody sees it who is on call: nodes, executions, Events and mails."""

    def __init__(self, world):
        self.world = world

    def fullest(self):
        """The instance with most pods: (instance id, node name)."""
        return max(self.world.instances.items(), key=lambda pair: len(self.world.pods_on(pair[1])))

    def pods(self, node):
        """Names of the pods on a node, without those that stay with it."""
        names = [pod["metadata"]["name"] for pod in self.world.pods_on(node)]
        return sorted(name for name in names if not name.startswith(("aws-node-", "kube-proxy-")))

    def executions(self, machine="DrainNode"):
        """(status, outcome, reason, seconds) of each execution, oldest first."""
        return [self._summary(execution) for execution in self.world.executions(machine)]

    def events(self):
        """All Events on Nodes: reason to messages, one a line; "" for a reason that did not occur."""
        messages = defaultdict(str)
        for event in self.world.kube.cluster.list("Event"):
            messages[event["reason"]] += event["message"] + "\n"
        return messages

    def said(self):
        """All that a person is shown, as one text: Events, mails, results."""
        mails = [mail["Message"] for mail in self.world.aws.messages()]
        results = [reason for _, _, reason, _ in self.executions()]
        return "\n".join([*self.events().values(), *mails, *results])

    def after(self, seconds, action):
        """Do something some seconds from now."""
        self.world.clock.call_at(self.world.clock.now() + seconds, action)

    def allow(self, budget, unavailable):
        """Change a budget's maxUnavailable."""
        self.world.kube.cluster.change(
            "PodDisruptionBudget", budget, "default", {"spec": {"maxUnavailable": unavailable}}
        )

    @staticmethod
    def _summary(execution):
        completed = json.loads(execution.get("output") or "{}").get("completed") or {}
        ended = execution.get("stopDate")
        took = round((ended - execution["startDate"]).total_seconds()) if ended else None
        why = completed.get("reason") or execution.get("cause", "")
        return execution["status"], completed.get("outcome", ""), why, took


@pytest.fixture
def look():
    """Makes a Look at a world."""
    return Look


@pytest.fixture
def denied():
    """Makes what an admission webhook's refusal with a code looks like, as the API server passes it on."""

    def body(code):
        reasons = {400: "BadRequest", 403: "Forbidden", 429: "TooManyRequests", 500: ""}
        text = 'admission webhook "guard.example.com" denied the request: its operator will move this pod'
        return failure(code, reasons[code], text).body

    return body
