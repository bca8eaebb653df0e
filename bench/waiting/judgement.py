"""The targets of drains that wait, and what the page shows of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import Any

from bench.targets import Target
from bench.waiting.graces import MODES
from bench.waiting.measurement import KUBECTL, STEPDRAIN
from bench.waiting.outages import INTERRUPTED, ORDINARY
from bench.waiting.scenes import FREED, LONG_GRACE, TIGHT, WEBHOOK

Json = Mapping[str, Any]
PART = "waiting"
HOUR_S = 3600
SOON_S, LATER_S = 2.0, 10.0
"""How soon a change must be noticed within the first hour of a drain, and later."""
SHARE_TIGHT, SHARE_FREED = 0.5, 0.9
"""Of kubectl's time."""
WEBHOOK_MORE_S = 2.0
OUTAGE_S = {ORDINARY: 30.0, INTERRUPTED: 5.0}
SCHEDULE_S = 1.5
"""By how much kubectl may differ from its schedule: it looks once a second, and requests take time."""
SPREAD = (
    "Times are medians of five instants, spread over 5 s after the one that is named, in virtual time with "
    "warm functions, where nothing else is said."
)
REAL = "Those in real time are one run each, beside kubectl itself."


def targets(measured: Json) -> list[Target]:
    """Each promise about waiting, with what was measured."""
    return [
        *_virtual(measured["virtual"]),
        *(_real(measured["real"]) if measured["checked"] else ()),
        *_outages(measured["outages"]),
        *_graces(measured["graces"]),
        *(
            Target(
                PART,
                f"history of 48 h, {night['name']}",
                max(night["computed"], night["played"]),
                night["limit"],
                "events",
            )
            for night in measured["nights"]
        ),
        *_schedule(measured["checked"]),
    ]


def _virtual(cells: list[Json]) -> Iterator[Target]:
    for ours, theirs in pairs(cells):
        kind, after_s = ours["kind"], ours["after_s"]
        if kind == TIGHT:
            name = f"tight budget, replacements Ready after {after_s:g} s: time above 7 × R and the grace"
            yield _share(name, ours, theirs, SHARE_TIGHT)
        elif kind == FREED:
            soon_s = SOON_S if after_s <= HOUR_S else LATER_S
            name = f"a budget gives way after {after_s:g} s"
            yield Target(PART, f"{name}: first eviction after", ours["first_s"], soon_s, "s", SPREAD)
            yield _share(f"{name}: done after", ours, theirs, SHARE_FREED)
        elif kind == WEBHOOK:
            more_s = ours["late_s"] - theirs["late_s"]
            name = f"a webhook stops refusing after {after_s:g} s: done, later than kubectl by"
            yield Target(PART, name, more_s, WEBHOOK_MORE_S, "s", SPREAD)
        elif kind == LONG_GRACE:
            soon_s = SOON_S if after_s <= HOUR_S else LATER_S
            name = f"a pod ends {after_s:g} s after it was asked: noticed after"
            yield Target(PART, name, ours["noticed_s"], soon_s, "s", SPREAD)


def _share(name: str, ours: Json, theirs: Json, limit: float, note: str = SPREAD) -> Target:
    return Target(PART, name, ours["late_s"] / theirs["late_s"], limit, "of kubectl's", note)


def _real(runs: list[Json]) -> Iterator[Target]:
    def late_s(tool: str, kind: str) -> dict[str, float]:
        return {
            "late_s": statistics.median(
                run["late_s"] for run in runs if (run["tool"], run["kind"]) == (tool, kind)
            )
        }

    def both(kind: str) -> tuple[dict[str, float], dict[str, float]]:
        return late_s(STEPDRAIN, kind), late_s(KUBECTL, kind)

    tight = (
        "tight budget, replacements Ready after 5.5 to 9.5 s, in real time: time above 7 × R and the grace"
    )
    yield _share(tight, *both(TIGHT), SHARE_TIGHT, REAL)
    yield _share("a budget gives way, in real time: done after", *both(FREED), SHARE_FREED, REAL)
    ours, theirs = both(WEBHOOK)
    name = "a webhook stops refusing, in real time: done, later than kubectl by"
    yield Target(PART, name, ours["late_s"] - theirs["late_s"], WEBHOOK_MORE_S, "s", REAL)


def _outages(cells: list[Json]) -> Iterator[Target]:
    for kind, limit in OUTAGE_S.items():
        worst = max((cell["after_s"] for cell in cells if cell["kind"] == kind), default=float("inf"))
        yield Target(PART, f"an outage of 40 s ends, {kind}: next request after at most", worst, limit, "s")


def _graces(cells: list[Json]) -> Iterator[Target]:
    for mode in MODES:
        of_mode = [cell for cell in cells if cell["mode"] == mode]
        short = sum(cell["short_s"] > 0 for cell in of_mode)
        late = sum(cell["ended_s"] is None or cell["ended_s"] > cell["deadline_s"] for cell in of_mode)
        yield Target(PART, f"{mode}: pods given less than their own grace although it fits", short, 0, "pods")
        yield Target(PART, f"{mode}: pods that had not ended at the deadline", late, 0, "pods")


def _schedule(checked: list[Json]) -> Iterator[Target]:
    if checked:
        most_s = max(abs(scene["real_s"] - scene["schedule_s"]) for scene in checked)
        yield Target(PART, "kubectl differs from its schedule by at most", most_s, SCHEDULE_S, "s", REAL)


def pairs(cells: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Stepdrain's cell and kubectl's of each scene, in their order."""
    theirs = {(cell["kind"], cell["after_s"]): cell for cell in cells if cell["tool"] == KUBECTL}
    for cell in cells:
        if cell["tool"] == STEPDRAIN:
            yield cell, theirs[cell["kind"], cell["after_s"]]
