"""Time: until when a drain may last, when a pod must be asked to go, when a hook needs a heartbeat.

All functions are pure: times are epoch seconds, durations seconds, and "now" is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stepdrain.clock import to_epoch_s
from stepdrain.rules.policy import Policy

MACHINE_ENDS_S = 172_500
"""TimeoutSeconds of the state machine: an execution that reaches it is cut off, and its policy with it."""
RELEASE_MARGIN_S = 120
"""A drain ends this long before such a limit, so that it can still say how it ended, and let go."""
INTERRUPTION_MARGIN_S = 20
"""A drain aims to be done this long before EC2 takes the instance."""
LAST_MOMENT_S = 5
"""What an interruption leaves of a pod's grace ends this long before EC2 takes the instance."""
FORCED_MARGIN_S = 60
"""Under force, what is still on the node this long after the deadline goes with the machine."""
ASK_MARGIN_S = 10
"""Under force, a pod is asked to go this long before the moment at which its grace just fits."""
HEARTBEAT_MARGIN_S = 60
"""A heartbeat is sent this long before half of the hook's heartbeat timeout is over."""
HEARTBEAT_AGAIN_S = 30
"""Seconds between two heartbeats of which the first could not be sent."""
GIVES_WAY_AFTER_S = 120
"""Finding and marking a node takes seconds: however short the hook, a heartbeat does not come between."""
LONGEST_LAP_S = 120
"""The longest pause between two requests to evict that were refused."""


@dataclass(frozen=True)
class Hook:
    """The lifecycle hook that holds the instance; both timeouts in seconds."""

    heartbeat_timeout: int
    global_timeout: int


def hook_of(lifecycle: Mapping[str, Any] | None) -> Hook | None:
    """The hook in an execution's input; None for a drain without a lifecycle action."""
    if lifecycle is None:
        return None
    return Hook(lifecycle["heartbeatTimeout"], lifecycle["globalTimeout"])


def drain_deadline(
    execution: Mapping[str, Any], policy: Policy, hook: Hook | None, ends_at: float | None = None
) -> float:
    """When the drain must have ended, in epoch seconds.

    The policy's time runs from the redrive if there was one, else from the start, so that
    a redrive has a fresh deadline; so does the machine's. Auto Scaling's runs from the start,
    whatever happens: min(48 h, 100 heartbeat timeouts), or less where the hook says so
    (https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html).
    EC2's is a moment, ``ends_at`` (epoch seconds), if it has announced one.
    """
    started = to_epoch_s(execution["StartTime"])
    begun = to_epoch_s(execution.get("RedriveTime") or execution["StartTime"])
    deadline = begun + min(policy.drain_timeout, MACHINE_ENDS_S - RELEASE_MARGIN_S)
    if ends_at is not None:
        deadline = min(deadline, ends_at - INTERRUPTION_MARGIN_S)
    if hook is None:
        return deadline
    granted = min(172_800, 100 * hook.heartbeat_timeout, hook.global_timeout)
    return min(deadline, started + granted - RELEASE_MARGIN_S)


def interrupted(until: float, ends_at: float | None) -> bool:
    """Whether the deadline ``until`` is EC2's moment ``ends_at``, which nobody can put off."""
    return ends_at is not None and until >= ends_at - INTERRUPTION_MARGIN_S


def forces(policy: Policy, *, interrupted: bool) -> bool:
    """Whether pods are asked to go in time for the deadline, past what holds them if need be.

    "fail" holds an instance for a person to look; one that EC2 takes nobody can hold, and a pod that ends
    by its own grace is better off than one that goes with the machine.
    """
    return policy.on_timeout.startswith("force") or (interrupted and policy.on_timeout == "fail")


def heartbeat_after_s(hook: Hook) -> float:
    """Seconds after the last heartbeat at which the next is sent: before half of the timeout is over.

    The other half is for a heartbeat, or a function, that fails for a while. A sixth where the timeout
    is so short that the margin would leave nothing: a hook made by hand may have 30 s.
    """
    return max(hook.heartbeat_timeout / 6, hook.heartbeat_timeout / 2 - HEARTBEAT_MARGIN_S)


def gives_way_after_s(hook: Hook, settle_s: int) -> float:
    """Seconds after the last heartbeat from which Label and Cordon give way to the next.

    ``settle_s``: how long the drain then waits for load balancers.
    """
    return max(GIVES_WAY_AFTER_S, heartbeat_after_s(hook) - settle_s)


def ask_at(grace_s: int, until: float) -> float:
    """When a pod must be asked to go at the latest, so that its grace ends before ``until``."""
    return until - grace_s - ASK_MARGIN_S


def fitting_grace(own_s: int, now: float, until: float) -> int:
    """Seconds of grace that end before ``until``: the pod's own if it fits, else what is left of it.

    Never 0, which would not wait for the kubelet and could let a StatefulSet's pod run twice.
    """
    return max(1, min(own_s, int(until - now)))


def lap_pause_s(refused_for_s: float) -> float:
    """Seconds before evictions are asked for again that have been refused for ``refused_for_s`` seconds.

    Only for what seemed possible and was refused: a webhook, a budget for which others are faster. A
    thirtieth of the time, from 2 s to 120 s: never late by more than 3 %, and 48 hours fit into the history.
    """
    return min(LONGEST_LAP_S, max(2.0, refused_for_s / 30))


def rollout_pause_s(drained_for_s: float) -> float:
    """Seconds before a rollout that holds a pod is looked at again, in a drain ``drained_for_s`` seconds old.

    A rollout that ends well ends the pod, and a watch sees that. It is looked at for the others: one that is
    paused, taken back, deleted. From 10 s to a minute, and in the second hour 120 s, as after a refusal.
    """
    return max(10.0, min(60.0, drained_for_s / 3), lap_pause_s(drained_for_s))
