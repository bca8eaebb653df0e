"""Who starts an instance's drain, where its event and a sweep come within the same seconds.

Neither sees what the other is about to do: the sweep lists the executions before it starts a hundred, and
ListExecutions is eventually consistent
(https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html). Nor does the age of
a wait help: behind a load balancer an activity begins minutes before its hook's event
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html). So each first claims
the instance for the execution that it is about to start.

Who finds another's claim waits until that execution exists, for some seconds, and believes no claim alone:
its owner may have died. A start that fails gives the claim back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from stepdrain import clock
from stepdrain.errors import AwsUnavailable
from stepdrain.intake import lifecycle_events
from stepdrain.intake.envelope import Ignored
from stepdrain.intake.lifecycle_events import Start

KEPT_S = 120
"""Longer than a sweep takes from its list to its last start (110 s), and StartDrain from its claim (40 s)."""
PAUSE_S = 1.0
"""Between two looks at another's claim."""


class Executions(Protocol):
    """What is asked of the AWS adapter."""

    def started_at(self, state_machine_arn: str, name: str) -> float | None: ...


@dataclass(frozen=True)
class Claims:
    """The claims that one invocation makes."""

    machine: str
    """The state machine's ARN."""
    executions: Executions
    hold: Callable[[str, str, float], str]
    """(key, owner, seconds): who has the key now (``connections.claim``)."""
    until: float
    """Epoch seconds until which another's execution is waited for."""

    def holder(self, instance: str, execution: str) -> str:
        """Claim the instance for an execution; the name of the one that has it.

        If it is another's, that one exists, or time is over. Raises an Aws… error if Step Functions does not
        answer.
        """
        while True:
            holder = self.hold(_key(instance), execution, KEPT_S)
            if holder == execution or clock.now() >= self.until or self._exists(holder):
                return holder
            clock.pause(PAUSE_S)

    def give_back(self, instance: str, execution: str) -> None:
        """End the execution's claim, if it has one."""
        self.hold(_key(instance), execution, 0)

    def unless_swept(
        self, instance: str, start: Start, covered: Callable[[], Ignored | None]
    ) -> Ignored | Start:
        """What becomes of an event: its start, unless a sweep starts the same drain.

        ``covered`` looks for that sweep's execution. Raises AwsUnavailable if a sweep has the claim and has
        started nothing yet: Lambda asks again in a minute.
        """
        holder = self.holder(instance, start.name)
        if not lifecycle_events.names_a_sweep(holder, instance):
            return start  # Ours; or of another action, which another event announces.
        if ignored := covered():
            return ignored
        if self._exists(holder):
            return start  # It was of an earlier action.
        raise AwsUnavailable(
            f"A sweep is about to start {holder}, which Step Functions does not show yet. Lambda asks again."
        )

    def _exists(self, execution: str) -> bool:
        return self.executions.started_at(self.machine, execution) is not None


def _key(instance: str) -> str:
    return f"drain/{instance}"
