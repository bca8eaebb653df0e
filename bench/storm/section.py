"""The storms' section of docs/performance.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.storm.outcome import EVICTIONS
from bench.targets import Target

Json = dict[str, Any]
HEADING, NEXT = "## Storms", "\n## "
"""How the section of docs/performance.md begins, and what follows on it."""
INTRODUCTION = """\
Many instances go at once in an embedded account whose requests count against an ordinary region's quotas,
and where functions, requests and transitions take time. Times are from the first event, in virtual seconds.
What is played, and what stands in the way: [Storms](storms.md). What is not here has not been played."""
PEER = (
    "aws-node-termination-handler, always on: 50 instances at once, P99 of the cordon 52 s at 100 requests a "
    "second and 154 s at 5 (published by its maintainers)."
)
TIMES = ("cordon_p50_s", "cordon_p99_s", "cordon_last_s", "done_s")
COUNTS = ("finished", "lost", "twice", "failed", "cut_short")
HEAD = (
    "| storm | cordon p50, s | p99, s | last, s | all done, s | drained | lost | twice | failed "
    "| pods without their grace | functions at once | throttled |"
)
VERDICTS = {True: "yes", False: "**no**"}


def section(found: Mapping[str, Json], judged: Sequence[Target]) -> str:
    """The section of docs/performance.md, from its heading to its last line."""
    rows = [_row(name, outcome) for name, outcome in found.items()]
    verdicts = [
        f"| {target.name} | {target.figure:.2f} | {target.limit:g} | {target.unit} | {VERDICTS[target.met]} |"
        for target in judged
    ]
    parts = [
        HEADING,
        INTRODUCTION,
        _table(HEAD, "|---|" + "---:|" * 10 + "---|", rows),
        f"For comparison: {PEER}",
        _table("| target | figure | at most | | met |", "|---|---:|---:|---|---|", verdicts),
        "Requests of a drain to the cluster, by kind:",
        _requests(found),
    ]
    return "\n\n".join(parts) + "\n"


def _row(name: str, outcome: Json) -> str:
    figures = [f"{outcome[column]:,.0f}" for column in (*TIMES, *COUNTS, "peak_concurrency")]
    return f"| {name} | {' | '.join(figures)} | {_throttled(outcome['throttled'])} |"


def _requests(found: Mapping[str, Json]) -> str:
    """A column for each kind of request that any of the storms made."""
    kinds = sorted({kind for outcome in found.values() for kind in outcome["kube_requests"]} - {EVICTIONS})
    head = f"| storm | all | {' | '.join([EVICTIONS, *kinds])} |"
    rows = []
    for name, outcome in found.items():
        made = outcome["kube_requests"]
        figures = [sum(made.values()), *(made.get(kind, 0) for kind in (EVICTIONS, *kinds))]
        rows.append(f"| {name} | {' | '.join(f'{figure:.2f}' for figure in figures)} |")
    return _table(head, "|---|" + "---:|" * (len(kinds) + 2), rows)


def _table(head: str, alignment: str, rows: Sequence[str]) -> str:
    return "\n".join([head, alignment, *rows])


def _throttled(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()) if count) or "none"


def section_of(page: str) -> str:
    """The section in the text of docs/performance.md; "" if it has none."""
    _, heading, rest = page.partition(f"\n{HEADING}\n")
    return f"{HEADING}\n{rest.split(NEXT)[0].rstrip()}\n" if heading else ""


def with_section(page: str, new: str) -> str:
    """The text of docs/performance.md with this section in the place of the old one, or before the last."""
    if old := section_of(page):
        return page.replace(old, new)
    before, heading, last = page.rpartition(NEXT)
    return f"{before}\n{new}{heading}{last}"
