"""A queue as a function's event source, which moto does not poll: batches, and messages that come again.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html and its neighbours: Lambda has five
pollers at first. A batch is invoked when its window is over or it is full; messages of a batch that
failed, or that the answer names, are seen again after the visibility timeout, and too often received they go
to the dead-letter queue.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stepdrain_sandbox.aws.deploy import Redelivery, SourceMapping
from stepdrain_sandbox.clock import Clock

Json = dict[str, Any]
POLLERS = 5


@dataclass
class Message:
    """A message that a queue holds; ``received`` counts how often it was."""

    event: Json
    message_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    received: int = 0
    received_at: float = 0.0

    def record(self, queue_arn: str) -> Json:
        """As the function gets it (with-sqs.html)."""
        return {
            "messageId": self.message_id,
            "body": json.dumps(self.event),
            "attributes": {"ApproximateReceiveCount": str(self.received)},
            "eventSource": "aws:sqs",
            "eventSourceARN": queue_arn,
        }


@dataclass
class QueuePolling:
    """One queue with its mapping. ``invoke`` runs the function later; ``bury`` takes a dead letter."""

    clock: Clock
    queue_arn: str
    mapping: SourceMapping
    redelivery: Redelivery
    invoke: Callable[[str, Json, Callable[[Json], None]], None]
    bury: Callable[[str, Json], None]
    waiting: list[Message] = field(default_factory=list)
    turn: int = 0
    due: bool = False

    def send(self, event: Json) -> None:
        """A rule has put an event into the queue."""
        self._see(Message(event))

    def _see(self, message: Message) -> None:
        self.waiting.append(message)
        if len(self.waiting) >= self.mapping.batch_size * POLLERS:
            self._take()
        elif not self.due:
            self.due = True
            self.clock.call_at(self.clock.now() + self.mapping.window_s, self._take)

    def _take(self) -> None:
        """Each poller takes its share of what waits: a message goes to any of them."""
        self.due = False
        waiting, self.waiting = self.waiting, []
        count = min(POLLERS, len(waiting))
        for share in (waiting[poller::count] for poller in range(count)):
            for first in range(0, len(share), self.mapping.batch_size):
                self._hand_over(share[first : first + self.mapping.batch_size])

    def _hand_over(self, batch: list[Message]) -> None:
        for one in batch:
            one.received, one.received_at = one.received + 1, self.clock.now()
        event = {"Records": [one.record(self.queue_arn) for one in batch]}
        self.invoke(self.mapping.function, event, lambda answer: self._answered(batch, answer))

    def _answered(self, batch: list[Message], answer: Json) -> None:
        failed = {one.message_id for one in batch}
        if "FunctionError" not in answer:
            reported = (answer["Payload"] or {}).get("batchItemFailures", [])
            failed = {one["itemIdentifier"] for one in reported} if self.mapping.reports_failures else set()
        for one in batch:
            if one.message_id in failed:
                self._again(one)

    def _again(self, message: Message) -> None:
        if message.received >= self.redelivery.most_receives:
            self.bury(self.redelivery.dead_letters, message.event)
            return
        # The timeout began when the message was received.
        seen_at = message.received_at + self.redelivery.visibility_s
        self.clock.call_at(max(self.clock.now(), seen_at), lambda: self._see(message))
