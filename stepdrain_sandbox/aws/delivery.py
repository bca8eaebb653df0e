"""EventBridge's delivery to functions, which moto lacks: matching rules invoke their targets.

The invocation is asynchronous: Lambda retries a failed event after one and two minutes, a throttled one until
it is too old, and then sends it to the on-failure destination. How often and until when, the function's
EventInvokeConfig says (stepdrain_sandbox.aws.event_invoke_config).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
from moto.events.models import Rule, events_backends

from stepdrain_sandbox.aws.deploy import Deployment
from stepdrain_sandbox.aws.engine import Invoke, invocation
from stepdrain_sandbox.aws.event_invoke_config import Attempt, EventInvokeConfig, throttled_pause_s
from stepdrain_sandbox.aws.queue_polling import QueuePolling
from stepdrain_sandbox.clock import Clock

Json = dict[str, Any]


@dataclass
class Delivery:
    """Delivers events to the rules of an account's default bus."""

    clock: Clock
    invoke: Invoke
    account: str
    region: str
    config: Callable[[str], EventInvokeConfig]
    """Returns a function's settings for asynchronous invocations."""
    answers: list[tuple[str, Json]] = field(default_factory=list)
    """(function, Lambda's answer) of each attempt; for a batch, of each message."""
    delay_s: float = 0.0
    """Seconds from an event to its target."""
    polled: dict[str, QueuePolling] = field(default_factory=dict)
    """By queue name."""

    def send(self, event: Json) -> None:
        """Deliver an event to all rules that match it."""
        for rule in self._rules():
            # A rule with only a schedule matches no event (stepdrain_sandbox.aws.schedules fires it).
            by_pattern = rule.state == "ENABLED" and not rule.scheduled_expression
            if by_pattern and rule.event_pattern.matches_event(event):
                for target in rule.targets:
                    self._deliver(target, event)

    def _deliver(self, target: Json, event: Json) -> None:
        if not self.delay_s:
            self.hand_over(target, event)
            return
        self.clock.call_at(self.clock.now() + self.delay_s, lambda: self.hand_over(target, event))

    def _rules(self) -> list[Rule]:
        backend = events_backends[self.account][self.region]
        return list(backend.event_buses["default"].rules.values())

    def hand_over(self, target: Json, event: Json) -> None:
        """Give an event to a target of a rule: a function, or a queue."""
        service, resource = target["Arn"].split(":")[2], target["Arn"].split(":")
        if service == "lambda":
            self._invoke_later(resource[6], event, Attempt(self.clock.now()))
        elif service == "sqs" and resource[5] in self.polled:
            self.polled[resource[5]].send(json.loads(json.dumps(event)))
        elif service == "sqs":
            self._queue(resource[5], event)

    def poll(self, deployment: Deployment) -> None:
        """Poll the deployment's mapped queues, and invoke their functions with the messages."""
        for queue, mapping in deployment.mappings.items():
            self.polled[queue] = QueuePolling(
                self.clock,
                f"arn:aws:sqs:{self.region}:{self.account}:{queue}",
                mapping,
                deployment.delivered_again[queue],
                self._invoke_batch,
                self._queue,
            )

    def _invoke_batch(self, function: str, event: Json, answered: Callable[[Json], None]) -> None:
        self.clock.enter()

        def attempt() -> None:
            try:
                answer = invocation(lambda: self.invoke(function, event))
                if _of_lambda(answer):
                    # Throttled: the poller keeps the batch and tries again.
                    again = self.clock.now() + 1
                    self.clock.call_at(again, lambda: self._invoke_batch(function, event, answered))
                    return
                self.answers.extend((function, of_message) for of_message in _by_message(answer))
                answered(answer)
            finally:
                self.clock.leave()

        threading.Thread(target=attempt, daemon=True).start()

    def _invoke_later(self, function: str, event: Json, past: Attempt) -> None:
        self.clock.enter()
        threading.Thread(target=self._attempt, args=(function, event, past), daemon=True).start()

    def _attempt(self, function: str, event: Json, past: Attempt) -> None:
        try:
            answer = invocation(lambda: self.invoke(function, json.loads(json.dumps(event))))
            if _of_lambda(answer):
                past = replace(past, throttled=past.throttled + 1)
                self._again(function, event, past, answer, throttled_pause_s(past.throttled))
                return
            self.answers.append((function, answer))
            if "FunctionError" in answer:
                self._failed(function, event, replace(past, failures=past.failures + 1, throttled=0), answer)
        finally:
            self.clock.leave()

    def _failed(self, function: str, event: Json, past: Attempt, answer: Json) -> None:
        pause_s = self.config(function).retry_after_s(past.failures)
        if pause_s is None:
            self._keep(function, event, past, answer, "RetriesExhausted")
        else:
            self._again(function, event, past, answer, pause_s)

    def _again(self, function: str, event: Json, past: Attempt, answer: Json, pause_s: float) -> None:
        """Try the event again after a pause, or give it up when it gets too old meanwhile."""
        at, too_old_at = self.clock.now() + pause_s, past.since + self.config(function).oldest_s
        if at <= too_old_at:
            self.clock.call_at(at, lambda: self._invoke_later(function, event, past))
            return

        def give_up() -> None:
            if _of_lambda(answer):
                self.answers.append((function, answer))
            self._keep(function, event, past, answer, "EventAgeExceeded")

        self.clock.call_at(max(too_old_at, self.clock.now()), give_up)

    def _keep(self, function: str, event: Json, past: Attempt, answer: Json, condition: str) -> None:
        """In the queue of the function's failed events
        (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html)."""
        queue = self.config(function).queue
        if not queue:
            return
        context = {
            "functionArn": function,
            "condition": condition,
            "approximateInvokeCount": past.failures + bool(past.throttled),
        }
        letter = {
            "version": "1.0",
            "requestContext": context,
            "requestPayload": event,
            "responseContext": {"statusCode": 200, "functionError": answer["FunctionError"]},
            "responsePayload": answer["Payload"],
        }
        self._queue(queue, letter)

    def _queue(self, name: str, event: Json) -> None:
        sqs = boto3.client("sqs", region_name=self.region)
        sqs.send_message(
            QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], MessageBody=json.dumps(event)
        )


def _by_message(answer: Json) -> list[Json]:
    """The answer to a batch, split by message."""
    if "FunctionError" in answer:
        return [answer]
    return [{**answer, "Payload": payload} for payload in (answer["Payload"] or {}).get("answers", ())]


def _of_lambda(answer: Json) -> bool:
    """Whether Lambda did not run the function, because it is throttled or inactive."""
    payload = answer.get("Payload")
    return "FunctionError" in answer and str((payload or {}).get("errorType", "")).startswith("Lambda.")
