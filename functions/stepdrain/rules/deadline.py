"""Time: until when a drain may last, when its hook needs a heartbeat, how fast it asks again.

All functions are pure: times are epoch seconds, durations seconds, and "now" is an
argument. The arithmetic that these numbers must satisfy together with the Retry
fields of the state machine is in statemachine/pace.py and proven in its tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from stepdrain.clock import to_epoch_s
from stepdrain.rules.policy import Policy

HEARTBEAT_DUE_S = 90
"""After progress, a heartbeat is sent first if the last is older than this, or a sixth of a short timeout."""
SLOWEST_POLL_S = 228
"""The longest pause between two attempts at the slow pace."""
QUICKEST_LONG_POLL_S = 30
"""The longest pause between two attempts at the quick pace."""
SLOWEST_AFTERMATH_POLL_S = 543
"""As SLOWEST_POLL_S, in the states that wait for what lags behind the pods."""
AFTERMATH_SILENCE_S = 260
"""The longest that one of those states can go without an answer before it gives way to Heartbeat."""
QUICK_AFTERMATH_S = 250
"""After the last pod has left, these states ask often for so long; most volumes are detached by then."""
ATTEMPT_S = 25
"""The longest that one attempt may take (TimeoutSeconds of WaitForPods)."""
MACHINE_ENDS_S = 172_500
"""TimeoutSeconds of the state machine: an execution that reaches it is cut off, and its policy with it."""
RELEASE_MARGIN_S = 120
"""A drain ends this long before such a limit, so that it can still say how it ended, and let go."""
INTERRUPTION_MARGIN_S = 20
"""A drain aims to be done this long before EC2 takes the instance: time for one more attempt."""
NEAR_DEADLINE_S = 900
"""From here on the pace is quick again: a deadline must be met to the half minute, not to three."""


class Pace(StrEnum):
    """How often a waiting state asks again; each pace has its own error name and Retry."""

    QUICK = "quick"
    SLOW = "slow"


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


def fitting_grace(pod_grace: int, now: float, until: float) -> int:
    """Seconds of grace that end before ``until``, when EC2 takes the instance: the pod's own if it fits.

    Never 0, as in ``forced_grace``.
    """
    return max(1, min(pod_grace, int(until - now)))


def pace(round_number: int, entered_at: float, deadline: float, hook: Hook | None) -> Pace:
    """How often the state that was entered at ``entered_at`` asks again.

        first round (before the first heartbeat)     quick: most drains end here
        the deadline is less than 15 minutes away    quick: it must not be overslept
        the heartbeat timeout is short (< 800 s)     quick: a slow pause could miss a heartbeat
        otherwise                                    slow: 48 h must fit into the history

    Depends on nothing that changes during a visit to the state: the two error names have
    a Retry each, and mixing them would make a visit longer than a heartbeat allows.
    """
    if round_number == 0 or deadline - entered_at < NEAR_DEADLINE_S:
        return Pace.QUICK
    if hook is not None and hook.heartbeat_timeout < 800:
        return Pace.QUICK
    return Pace.SLOW


def aftermath_round(round_number: int, entered_at: float, emptied_at: float | None) -> int:
    """The number of the round as ``pace`` counts it for a state that waits for what lags behind the pods.

    Rounds spent on pods do not count: a drain of an hour whose volumes take half a minute must
    not oversleep them. 0 if the state was entered within QUICK_AFTERMATH_S of the last pod's end.
    """
    if emptied_at is None or entered_at - emptied_at < QUICK_AFTERMATH_S:
        return 0
    return max(1, round_number)


def late_for_the_aftermath(now: float, last: float, hook: Hook | None) -> bool:
    """Whether a heartbeat must come before such a state, so that its silence still ends in time."""
    return hook is not None and now - last >= max(
        _due_s(hook), hook.heartbeat_timeout / 2 - AFTERMATH_SILENCE_S
    )


def _due_s(hook: Hook | None) -> float:
    # A sixth: the installation makes no hook below 1,200 s, but one made by hand may have 30.
    return HEARTBEAT_DUE_S if hook is None else min(HEARTBEAT_DUE_S, hook.heartbeat_timeout / 6)


def heartbeat_due(now: float, last: float, hook: Hook | None) -> bool:
    """Whether to send a heartbeat before going on, when there was progress."""
    return now - last >= _due_s(hook)


def heartbeat_pressing(
    now: float,
    last: float,
    at: Pace,
    hook: Hook | None,
    deadline: float,
    longest_pause_s: int = SLOWEST_POLL_S,
) -> bool:
    """Whether a waiting state must give way to Heartbeat instead of asking once more.

    True when one more pause and attempt would pass half of the hook's heartbeat timeout,
    or when the deadline is over: Heartbeat is where a deadline takes effect. Never while the
    last one is too young to be due: a long pause and a short timeout would make a loop of heartbeats.
    """
    if now >= deadline:
        return True
    if hook is None:
        return False
    pause = QUICKEST_LONG_POLL_S if at is Pace.QUICK else longest_pause_s
    return now - last >= max(_due_s(hook), hook.heartbeat_timeout / 2 - pause - ATTEMPT_S)


def forced_grace(pod_grace: int, now: float, deadline: float) -> int | None:
    """The grace (seconds) to DELETE a pod with under ``onTimeout: force``; None while it is too early.

    A pod is deleted when the time left is no more than its own grace, so that it has all of
    it: Karpenter's rule for terminationGracePeriod (kubernetes-sigs/karpenter,
    pkg/controllers/node/termination/terminator). Never 0, which would not wait for the
    kubelet and could let a StatefulSet's pod run twice.
    """
    left = deadline - now
    if left > pod_grace:
        return None
    return max(1, min(pod_grace, int(left)))
