"""Storms: nothing is evicted while other nodes that go too are not cordoned yet.

A pod that is evicted earlier may start on one of them, and is evicted again. So StartDrain notes in the
stack's cache when it has started a drain, and the first eviction of a drain waits while another has begun a
few seconds ago. A drain alone finds its own note, and waits for nothing.

A late event announces others. Lambda asks again for an invocation that it has throttled after a second, and
then after twice as long each time
(https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html), so where one comes late,
those that have not come yet are as late again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stepdrain.clock import to_rfc3339
from stepdrain.document.step import Step
from stepdrain.document.timing import Timing
from stepdrain.errors import CordonsPending
from stepdrain.states import batch, routes

SHORTEST_S, LATER_S, LONGEST_S = 3, 2, 18
"""Seconds from the start of a drain for which its cordon and the next drain are waited for: at least; beyond
the lateness of its event; at most."""
OLDEST_S, SHARE = 40, 6
"""A drain waits until so many seconds after its own start at most, and never longer than this share (one in
so many) of the time that it has."""
KEPT_S = 60
"""Seconds for which the note is kept."""


def key(cluster: str) -> str:
    """Where the stack's cache has the note about the cluster's latest drain."""
    return f"begun/{cluster}"


def note(drain: str, now: float, sent_at: float | None) -> dict[str, Any]:
    """The note: ``drain`` has been started at ``now`` (epoch seconds).

    ``sent_at``: when its event was sent, in epoch seconds; None if that is unknown.
    """
    late_s = 0.0 if sent_at is None else max(0.0, now - sent_at)
    return {"drain": drain, "at": now, "late": round(late_s, 1)}


def may_wait(step: Step, now: float) -> bool:
    """Whether the drain has evicted nothing, is young, and has time; never on the first definition."""
    if step.wait_s is None or batch.begun(step):
        return False
    timing = step.timing(now)
    return now < _until(step, timing) and not routes.heartbeat_needed(timing)


def wait(step: Step, latest: Mapping[str, Any] | None, now: float) -> None:
    """Raises CordonsPending if another drain began just before ``now``; ``latest`` is the note, or None."""
    if latest is None or latest["drain"] == step.name:
        return
    cordoned_at = latest["at"] + min(LONGEST_S, max(SHORTEST_S, latest["late"] + LATER_S))
    if now < cordoned_at:
        begun_s, until = max(0.0, now - latest["at"]), to_rfc3339(_until(step, step.timing(now)))
        raise CordonsPending(
            f"Drain {latest['drain']} began {begun_s:.0f} s ago. Pods are evicted as soon as its node, and "
            f"those of drains that follow it, are cordoned, and at {until} in any case."
        )


def _until(step: Step, timing: Timing) -> float:
    return step.begun_at + min(OLDEST_S, (timing.ends_at - step.begun_at) / SHARE)
