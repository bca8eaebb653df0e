"""48 hours of waiting, played in virtual time on the rendered state machine: how many events they leave.

Beside them stands what statemachine/arithmetic.py computes from the rendered file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.waiting import virtual
from bench.waiting.scenes import Scene
from bench.waiting.virtual import NAMESPACE, NODE, SPARE
from statemachine import arithmetic
from stepdrain_deployed import DRAIN_NODE
from stepdrain_sandbox.kube.faults import Fault

Json = dict[str, Any]
HELD = Scene("held", 0, budget=0)
FREE = Scene("free", 0, budget=1)
LASTS_S = 172_800


@dataclass(frozen=True)
class Night:
    """48 hours, from the beginning to the end of a drain."""

    name: str
    limit: int
    computed: Callable[[Json], int]
    scene: Scene = HELD
    fault: Callable[[], Fault] | None = None
    environment: dict[str, str] = field(default_factory=dict)


NIGHTS = (
    Night("blocked, watching", 15_000, arithmetic.watching_events),
    Night("blocked, polling", 21_000, arithmetic.polling_events, environment={"STEPDRAIN_WAITING": "poll"}),
    Night(
        "a budget that allows, and refuses when asked", 22_000, arithmetic.flapping_events, FREE,
        lambda: Fault(verb="create", path="/eviction", times=-1, status=429, body=REFUSED),
    ),
    Night(
        "no answer at all", 24_000, arithmetic.unanswered_events,
        fault=lambda: Fault(times=-1, status=503),
    ),
)  # fmt: skip
REFUSED: Json = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "message": "Cannot evict pod as it would violate the pod's disruption budget.",
    "reason": "TooManyRequests",
    "details": {
        "causes": [
            {"reason": "DisruptionBudget", "message": "The disruption budget web needs 1 healthy pods."}
        ]
    },
    "code": 429,
}
FAULT_AFTER_S = 10.0
"""A cluster that answers nobody from the beginning ends a drain within minutes: it comes later."""


def measure(say: Callable[[str], None]) -> list[Json]:
    """A cell for each night: ``name``, ``limit``, ``computed`` and ``played`` history events, ``hours``."""
    machine = json.loads(DRAIN_NODE.read_text())
    found = []
    for night in NIGHTS:
        events, lasted_s = _played(night)
        say(f"48 hours, {night.name}: {events} events")
        found.append(
            {
                "name": night.name,
                "limit": night.limit,
                "computed": night.computed(machine),
                "played": events,
                "hours": lasted_s / 3600,
            }
        )
    return found


def _played(night: Night) -> tuple[int, float]:
    manifests = night.scene.manifests(NAMESPACE, NODE, SPARE)
    with virtual.staged(manifests, environment=night.environment) as stage:
        began = stage.clock.now()
        stage.deliver(stage.terminate(next(iter(stage.instances))))
        if night.fault is not None:
            stage.clock.run(0.0 if night.scene is FREE else FAULT_AFTER_S)
            stage.transport.faults.add(night.fault())
        (execution,) = stage.machine.executions.values()
        virtual.run_until(stage, lambda: execution.status != "RUNNING", LASTS_S + 600)
        return execution.events, stage.clock.now() - began
