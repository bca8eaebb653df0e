"""The two timeouts of a lifecycle action, for the embedded account and for rehearsals.

A heartbeat restarts the hook's heartbeat timeout. The global timeout is 48 hours or 100 heartbeat timeouts,
whichever is shorter (https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html).
"""

from __future__ import annotations

from collections.abc import Callable

from stepdrain_sandbox.clock import Clock, Timer

LONGEST_S = 172_800


def global_timeout_s(heartbeat_s: int) -> int:
    """Seconds that an action can last, for a heartbeat timeout of ``heartbeat_s`` seconds."""
    return min(LONGEST_S, 100 * heartbeat_s)


class HeartbeatTimeout:
    """Calls ``expired`` once no ``restart`` came for ``heartbeat_s`` seconds, or at the global timeout."""

    def __init__(self, clock: Clock, heartbeat_s: int, expired: Callable[[], None]) -> None:
        self._clock, self._heartbeat_s, self._expired = clock, heartbeat_s, expired
        self._ends_at = clock.now() + global_timeout_s(heartbeat_s)
        self._timer = self._start()

    def _start(self) -> Timer:
        at = min(self._clock.now() + self._heartbeat_s, self._ends_at)
        return self._clock.call_at(at, self._expired)

    def restart(self) -> None:
        """A heartbeat was recorded."""
        self.cancel()
        self._timer = self._start()

    def cancel(self) -> None:
        """The action has ended."""
        self._timer.cancel()


def no_active_action(token: str | None, instance_id: str) -> str:
    """The message of the API's ValidationError for a token or instance without an action."""
    return (
        f"No active Lifecycle Action found with {f'token {token}' if token else f'instance ID {instance_id}'}"
    )
