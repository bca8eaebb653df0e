"""An in-memory stand-in for stepdrain.adapters.aws.Aws: Auto Scaling, and the few other calls of a drain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stepdrain.adapters.aws import Aws
from stepdrain.adapters.aws.calls import translated
from stepdrain.errors import AwsRejected, DrainError
from stepdrain.rules.nodes import Instance

from stepdrain_sandbox.aws.account import client_error
from stepdrain_sandbox.aws.heartbeat_timeout import HeartbeatTimeout, global_timeout_s, no_active_action
from stepdrain_sandbox.rehearsal.clock import QuietClock

Json = dict[str, Any]
THROTTLED = ("Throttling", "Rate exceeded", 400)
DENIED = ("AccessDenied", "not authorized", 403)
DOWN = ("InternalFailure", "internal failure", 500)


@dataclass
class Action:
    """A hook that holds an instance."""

    token: str
    timeout: HeartbeatTimeout


@dataclass
class Group(Aws):
    """An Auto Scaling group with our hook, and the account around it; a stand-in for adapters.aws.Aws.

    ``start`` starts an execution; ``started`` returns when (epoch seconds) the execution of a name began;
    ``gone`` is called with the id of each instance whose action ended, and the result. ``faults`` has
    (method, (code, message, HTTP status)), each for a single call.
    """

    clock: QuietClock
    start: Callable[[str, Json], bool]
    gone: Callable[[str, str], None]
    started: Callable[[str], float | None]
    heartbeat_s: int = 1800
    tags: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Instance id to private DNS name."""
    actions: dict[str, Action] = field(default_factory=dict)
    faults: list[tuple[str, tuple[str, str, int]]] = field(default_factory=list)
    target_drains_s: int = 0
    """Seconds from the first look until the load balancer has deregistered an instance; 0: no balancer."""
    _drained_at: dict[str, float] = field(default_factory=dict)

    def wait_for(self, instance_id: str, token: str) -> None:
        """The hook begins to hold the instance."""
        timeout = HeartbeatTimeout(self.clock, self.heartbeat_s, lambda: self._end(instance_id, "timed out"))
        self.actions[instance_id] = Action(token, timeout)

    def group_tags(self, group: str) -> dict[str, str]:  # noqa: ARG002
        self._fail("group_tags")
        return self.tags

    def hook(self, group: str, name: str) -> Json:  # noqa: ARG002
        self._fail("hook")
        return {
            "HeartbeatTimeout": self.heartbeat_s,
            "GlobalTimeout": global_timeout_s(self.heartbeat_s),
        }

    def tags_of_group(self, group: str) -> dict[str, str]:
        return self.group_tags(group)

    def hook_of_group(self, group: str, name: str) -> Json:
        return self.hook(group, name)

    def instance(self, instance_id: str) -> Instance:
        self._fail("instance")
        return Instance(instance_id, self.names.get(instance_id, ""))

    def start_execution(self, _arn: str, name: str, document: Mapping[str, Any]) -> bool:
        self._fail("start_execution")
        return self.start(name, dict(document))

    def started_at(self, _arn: str, name: str) -> float | None:
        self._fail("started_at")
        return self.started(name)

    def record_heartbeat(self, lifecycle: Mapping[str, Any], instance_id: str) -> None:
        self._fail("record_heartbeat")
        self._find(lifecycle, instance_id).timeout.restart()

    def complete_action(self, lifecycle: Mapping[str, Any], instance_id: str, result: str) -> None:
        self._fail("complete_action")
        self._find(lifecycle, instance_id)
        self._end(instance_id, result)

    def terminated(self, instance_id: str) -> bool:
        self._fail("terminated")
        return instance_id not in self.actions

    def balancers_of(self, cluster: str) -> list[str]:  # noqa: ARG002
        self._fail("balancers_of")
        return []

    def group_target_groups(self, group: str) -> list[str]:  # noqa: ARG002
        self._fail("group_target_groups")
        return ["arn:aws:elasticloadbalancing:::targetgroup/web/1"] if self.target_drains_s else []

    def target_states(self, target_groups: Sequence[str], instance_id: str) -> dict[str, str]:
        at = self._drained_at.setdefault(instance_id, self.clock.now() + self.target_drains_s)
        return dict.fromkeys(target_groups, "draining" if self.clock.now() < at else "unused")

    def classic_states(self, names: Sequence[str], instance_id: str) -> dict[str, str]:  # noqa: ARG002
        return {}

    def _fail(self, method: str) -> None:
        for fault in self.faults:
            if fault[0] == method:
                self.faults.remove(fault)
                raise _error(method, *fault[1])

    def _find(self, lifecycle: Mapping[str, Any], instance_id: str) -> Action:
        action = self.actions.get(instance_id)
        if action is None or action.token != lifecycle["token"]:
            message = no_active_action(lifecycle["token"], instance_id)
            raise AwsRejected(f"answered ValidationError: {message}")
        return action

    def _end(self, instance_id: str, result: str) -> None:
        self.actions.pop(instance_id).timeout.cancel()
        self.gone(instance_id, result)


def _error(method: str, code: str, message: str, status: int) -> DrainError:
    """The error into which the real adapter translates such an answer."""
    return translated(client_error(method, code, message, status))
