"""About 40 seconds in which the cluster answers 503, in virtual time: how soon after it a drain asks again.

The outage begins at moments that are spread over the drain, so that it meets each state. Where it begins
later, a budget gives way a moment after it has begun, for a watch that is open already notices nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stepdrain.clock import to_epoch_s

from bench.waiting import graces, virtual
from bench.waiting.scenes import freed_budget
from stepdrain_sandbox.kube.faults import Fault

Json = dict[str, Any]
LASTS_S = (37.7, 40.0, 42.3)
"""Around 40 s, so that no pause ends with the outage by luck."""
BEGIN_S = (0.0, 0.2, 0.3, 0.45, 0.6, 0.7, 11.5, 33.5)
DEADLINE_S = 120
"""EC2's: two minutes from a spot notice."""
FREED_AFTER_S = 1.0
ORDINARY, INTERRUPTED = "ordinary", "interrupted"


def measure(say: Callable[[str], None]) -> list[Json]:
    """A cell for each outage: ``kind``, ``begins_s``, ``lasts_s``, ``state``, ``after_s`` to a request."""
    found = []
    for kind in (ORDINARY, INTERRUPTED):
        cells = [_cell(kind, begins_s, lasts_s) for begins_s in BEGIN_S for lasts_s in LASTS_S]
        worst = max(cells, key=lambda cell: cell["after_s"])
        say(f"outage, {kind}: next request after {worst['after_s']:.1f} s at most ({worst['state']})")
        found += cells
    return found


def _cell(kind: str, begins_s: float, lasts_s: float) -> Json:
    scene = freed_budget(begins_s + FREED_AFTER_S)
    with virtual.begun(scene) as (stage, _, began):
        out_at = began + begins_s
        stage.transport.faults.add(Fault(status=503, starts_at=out_at), lasts_s=lasts_s)
        graces.begin(stage, graces.FORCE if kind == ORDINARY else graces.INTERRUPTION, DEADLINE_S)
        over_at = out_at + lasts_s
        virtual.run_until(stage, lambda: stage.clock.now() > over_at + 60)
        asked = [to_epoch_s(event["requestReceivedTimestamp"]) for event in stage.transport.audit_log]
        # The last attempt that began within the outage: what comes next depends on its pauses.
        state = [name for name, attempt_at, _, _ in stage.invocations if attempt_at <= over_at][-1]
        after_s = _next(asked, over_at) - over_at
        return {"kind": kind, "begins_s": begins_s, "lasts_s": lasts_s, "state": state, "after_s": after_s}


def _next(asked: Sequence[float], after: float) -> float:
    return min((at for at in asked if at >= after), default=float("inf"))
