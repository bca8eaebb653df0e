"""What each table of docs/performance.md shows of a measured cell, column by column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.figures import figure

Cell = Mapping[str, Any]
Row = Sequence[object]


def _fields(*names: str) -> Callable[[Cell], Row]:
    return lambda cell: [cell[name] for name in names]


def _compared(cell: Cell) -> Row:
    counts = sorted(cell["by_verb"].items(), key=lambda verb: -verb[1])
    by_verb = ", ".join(f"{count} {verb}" for verb, count in counts)
    return [*_fields("tool", "pods", "grace_s", "above_s", "requests", "bytes")(cell), by_verb]


def _cold(cell: Cell) -> Row:
    times = [cell["import_cpu_s"], cell["init_cpu_s"], cell["invoked_cpu_s"]]
    return [cell["function"], cell["compiled"], *times, cell["peak_bytes"] / 1e6, cell["ended"]]


def _share(item: tuple[str, float]) -> Row:
    return [item[0], f"{item[1]:.0%}"]


def _scale(run: Cell) -> Row:
    first, last = (
        ["busiest_second", "cordoned_s", "work_s", "cpu_s"],
        ["finished_s", "executions", "events_most"],
    )
    return [run["nodes"], run["requests"], run["requests"] / run["nodes"], *_fields(*first, *last)(run)]


def _listing(item: tuple[str, Cell]) -> Row:
    return [item[0], item[1]["cpu_s"], item[1]["memory_bytes"] / 1e6]


def _verdict(target: Cell) -> Row:
    measured, limit = (f"{figure(target[key])} {target['unit']}".rstrip() for key in ("figure", "limit"))
    return [target["name"], measured, limit, target["met"]]


def _beside(pair: tuple[Cell, Cell]) -> Row:
    ours, theirs = pair
    first = [cell["first_s"] if cell["first_s"] is not None else "" for cell in pair]
    return [
        ours["kind"],
        ours["after_s"],
        ours["late_s"],
        theirs["late_s"],
        *first,
        ours["requests"],
        theirs["requests"],
    ]


def _grace(cell: Cell) -> Row:
    known = [cell["asked_s"], cell["ended_s"]]
    return [
        cell["mode"],
        cell["deadline_s"],
        cell["own_s"],
        cell["given_s"],
        *("" if moment is None else moment for moment in known),
    ]


ROWS: dict[str, Callable[[Any], Row]] = {
    "row": _fields("part", "name", "figure", "limit", "unit", "met"),
    "verdict_row": _verdict,
    "beside_row": _beside,
    "waiting_row": _fields("tool", "kind", "after_s", "late_s", "late_worst_s", "noticed_s", "requests"),
    "real_row": _fields("tool", "kind", "after_s", "first_s", "done_s", "late_s"),
    "checked_row": _fields("kind", "after_s", "real_s", "schedule_s"),
    "grace_row": _grace,
    "outage_row": _fields("kind", "begins_s", "lasts_s", "state", "after_s"),
    "night_row": _fields("name", "played", "computed", "limit"),
    "compared_row": _compared,
    "alone_row": _fields("pods", "graces", "above_s", "requests", "attempts", "transitions", "events"),
    "recorded_row": _fields("tool", "pods", "grace_s", "above_s", "requests"),
    "cold_row": _cold,
    "share_row": _share,
    "drain_row": _fields("name", "transitions", "requests", "gb_s", "waited_s", "events", "dollars"),
    "month_row": _fields("drains", "dollars"),
    "scale_row": _scale,
    "listing_row": _listing,
}
