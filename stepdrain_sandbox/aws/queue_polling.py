"""A queue as a function's event source, which moto does not poll: batches and redelivery.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html and the pages next to it: Lambda starts
with five pollers. It invokes the function when a batch is full or its window is over. Messages of a failed
batch, or that the answer names as failed, become visible again after the visibility timeout. After too many
receives a message goes to the dead-letter queue.
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
    """A message in a queue; ``received`` counts its receives."""

    event: Json
    message_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    received: int = 0
    received_at: float = 0.0

    def record(self, queue_arn: str) -> Json:
        """The record in the function's event (with-sqs.html)."""
        return {
            "messageId": self.message_id,
            "body": json.dumps(self.event),
            "attributes": {"ApproximateReceiveCount": str(self.received)},
            "eventSource": "aws:sqs",
            "eventSourceARN": queue_arn,
        }


@dataclass
class QueuePolling:
    """A queue with its mapping. ``invoke`` runs the function later; ``bury`` sends a dead letter."""

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
        """Put an event into the queue."""
        self._see(Message(event))

    def _see(self, message: Message) -> None:
        self.waiting.append(message)
        if len(self.waiting) >= self.mapping.batch_size * POLLERS:
            self._take()
        elif not self.due:
            self.due = True
            self.clock.call_at(self.clock.now() + self.mapping.window_s, self._take)

    def _take(self) -> None:
        """Divide the waiting messages among the pollers: any of them may get a message."""
        self.due = False
        waiting, self.waiting = self.waiting, []
        count = min(POLLERS, len(waiting))
        for share in (waiting[poller::count] for poller in range(count)):
            for first in range(0, len(share), self.mapping.batch_size):
                self._hand_over(share[first : first + self.mapping.batch_size])

    def _hand_over(self, batch: list[Message]) -> None:
        for message in batch:
            message.received, message.received_at = message.received + 1, self.clock.now()
        event = {"Records": [message.record(self.queue_arn) for message in batch]}
        self.invoke(self.mapping.function, event, lambda answer: self._answered(batch, answer))

    def _answered(self, batch: list[Message], answer: Json) -> None:
        failed = {message.message_id for message in batch}
        if "FunctionError" not in answer:
            reported = (answer["Payload"] or {}).get("batchItemFailures", [])
            ids = {failure["itemIdentifier"] for failure in reported}
            failed = ids if self.mapping.reports_failures else set()
        for message in batch:
            if message.message_id in failed:
                self._again(message)

    def _again(self, message: Message) -> None:
        if message.received >= self.redelivery.most_receives:
            self.bury(self.redelivery.dead_letters, message.event)
            return
        # The visibility timeout started with the receive.
        seen_at = message.received_at + self.redelivery.visibility_s
        self.clock.call_at(max(self.clock.now(), seen_at), lambda: self._see(message))
