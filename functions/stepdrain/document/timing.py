"""When a drain stands where: built once for an attempt, from the payload and the time."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from stepdrain.rules import deadline, first_definition
from stepdrain.rules.first_definition import Polling

if TYPE_CHECKING:
    from stepdrain.document.step import Step

AFTER_PODS = ("WaitForVolumes", "WaitForTargets")


@dataclass(frozen=True)
class Timing:
    """The drain's moments as epoch seconds; ``inf`` for what does not come."""

    now: float
    deadline: float
    """Until when the node should be empty."""
    ends_at: float
    """When the policy takes effect on what is left: the deadline; under force a margin later; or EC2's
    moment."""
    heartbeat_at: float
    """When the hook must hear of the drain again."""
    forces: bool
    """Pods are asked to go in time for the deadline, past their budgets if need be."""
    interrupted: bool
    """The deadline comes from EC2, which takes the instance."""
    grace_until: float
    """Until when the grace that a pod is given may last: ``inf`` where it has all of its own."""
    polling: Polling | None
    """Which error names the execution's definition retries; None on the present one."""

    @property
    def over(self) -> bool:
        """The drain has come to its end, whatever is left."""
        return self.now >= self.ends_at

    @property
    def heartbeat_due(self) -> bool:
        """A heartbeat must be sent before anything is waited for."""
        return self.now >= self.heartbeat_at

    @property
    def waits_over(self) -> bool:
        """Under force, volumes and load balancers are waited for only until the deadline."""
        return self.forces and self.now >= self.deadline


def of(step: Step, now: float) -> Timing:
    """The moments of the drain that ``step`` belongs to, at ``now`` (epoch seconds)."""
    hook = deadline.hook_of(step.lifecycle)
    until = deadline.drain_deadline(step.execution, step.policy, hook, step.ends_at)
    interrupted = deadline.interrupted(until, step.ends_at)
    forces = deadline.forces(step.policy, interrupted=interrupted)
    taken_at = step.ends_at if interrupted and step.ends_at is not None else inf
    ends_at = min(taken_at, until + deadline.FORCED_MARGIN_S) if forces else until
    grace_until = min(taken_at - deadline.LAST_MOMENT_S, inf if interrupted or not forces else until)
    polling = None if step.wait_s is not None else _polling(step, until, hook)
    heartbeat_at = _heartbeat_at(step, hook, polling)
    return Timing(now, until, ends_at, heartbeat_at, forces, interrupted, grace_until, polling)


def _heartbeat_at(step: Step, hook: deadline.Hook | None, polling: Polling | None) -> float:
    if hook is None:
        return inf
    last, tried = step.progress.heartbeat_at, step.progress.heartbeat_tried_at
    if polling is not None:
        after_pods = step.state in AFTER_PODS
        slow_s = first_definition.SLOW_AFTER_PODS_S if after_pods else first_definition.SLOW_S
        return first_definition.heartbeat_at(last, polling, hook, slow_s)
    due = last + deadline.heartbeat_after_s(hook)
    return due if tried is None else max(due, tried + deadline.HEARTBEAT_AGAIN_S)


def _polling(step: Step, until: float, hook: deadline.Hook | None) -> Polling:
    count = step.progress.number
    if step.state in AFTER_PODS:
        count = first_definition.polling_after_pods(count, step.entered_at, step.progress.emptied_at)
    return first_definition.polling(count, step.entered_at, until, hook)
