"""All of bench.waiting in one run: scenes in real and in virtual time, deadlines, outages, and 48 hours."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from bench.cost import FULL_VCPU_MB
from bench.usage import memory_mb
from bench.waiting import graces, histories, outages, real, scenes, virtual
from bench.waiting.scenes import Scene
from bench.waiting.virtual import Seen

Json = dict[str, Any]
Make = Callable[[float], Scene]
STEPDRAIN, COLD, KUBECTL = "stepdrain", "stepdrain, cold", "kubectl"
FAMILIES: list[tuple[Make, Sequence[float]]] = [
    (scenes.tight_budget, (5, 22, 47)),
    (scenes.freed_budget, (20, 60, 120, 300, 900, 5400)),
    (scenes.refusing_webhook, (60,)),
    (scenes.long_grace, (5, 60, 240, 1200)),
    (partial(scenes.long_grace, grace_s=7200), (5400,)),
]
"""What is measured, and after how many seconds it comes to an end; the last of a kind after an hour."""
PLACING_S = 0.2
"""What Lambda takes to place a function, besides its init (stepdrain_sandbox/aws/durations.py)."""


def measure(say: Callable[[str], None], cold_start: Json, *, quick: bool = False) -> Json:
    """Everything; ``say`` hears of each part. ``quick``: without real time and the 48 hours."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        say("kubectl is not installed: its schedule stands alone, and nothing checks it.")
    played = [] if quick else real.play(kubectl, say)
    return {
        "kubectl": kubectl is not None,
        "real": played,
        "checked": real.check(played) if played and kubectl else [],
        "virtual": list(_cells(say, cold_starts(cold_start), FAMILIES[:2] if quick else FAMILIES)),
        "graces": graces.measure(say),
        "outages": outages.measure(say),
        "nights": [] if quick else histories.measure(say),
    }


def cold_starts(measured: Json) -> dict[str, float]:
    """Seconds that each state's cold start takes by the clock: measured CPU, at the function's memory."""
    memory = memory_mb()
    return {
        function["function"]: PLACING_S
        + function["invoked_cpu_s"] * max(1.0, FULL_VCPU_MB / memory[function["function"]])
        for function in measured["functions"]
        if function["compiled"]
    }


def _cells(
    say: Callable[[str], None], cold_s: Mapping[str, float], families: Sequence[tuple[Make, Sequence[float]]]
) -> Iterator[Json]:
    for make, instants in families:
        for after_s in instants:
            spread = scenes.spread(make, after_s)
            cells = [
                cell_of(STEPDRAIN, spread, [virtual.stepdrain(scene, {}) for scene in spread]),
                cell_of(COLD, spread, [virtual.stepdrain(scene, cold_s) for scene in spread]),
                cell_of(KUBECTL, spread, [virtual.kubectl(scene) for scene in spread]),
            ]
            ours, _, theirs = cells
            kind = f"{ours['kind']}, {after_s:g} s"
            say(f"{kind}: {ours['late_s']:.2f} s late, kubectl {theirs['late_s']:.2f} s")
            yield from cells


def cell_of(tool: str, spread: Sequence[Scene], seen: Sequence[Seen]) -> Json:
    """Medians and worst of one tool's drains in scenes that differ by their instants alone (seconds).

    ``first_s``: from the change to the first eviction, None without a change; ``late_s``: from when the drain
    could be done at best (``Scene.due_s``); ``noticed_s``: from a pod's end until the tool knew.
    """
    scene, pairs = spread[0], list(zip(spread, seen, strict=True))
    first = [
        drain.accepted[0] - scene.changes_at_s for scene, drain in pairs if scene.changes_at_s is not None
    ]
    late = [drain.done - (max(drain.gone) if scene.exits_after_s else scene.due_s) for scene, drain in pairs]
    noticed = [drain.noticed - max(drain.gone) for drain in seen]
    return {
        "tool": tool,
        "kind": scene.kind,
        "after_s": scene.after_s,
        "first_s": statistics.median(first) if first else None,
        "late_s": statistics.median(late),
        "late_worst_s": max(late),
        "noticed_s": statistics.median(noticed),
        "requests": statistics.median(drain.requests for drain in seen),
    }
