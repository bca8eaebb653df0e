"""Each storm beside what it must keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.storm.outcome import EVICTIONS
from bench.storm.storms import ALONE, Storm, of_name
from bench.targets import Target

Json = dict[str, Any]
PART = "storm"
LAST_CORDON_S = {
    "1,000 spot": 30.0,
    "500 by scale-in": 30.0,
    "2,000 by": 120.0,
    "50 spot": 30.0,
    "50 by": 30.0,
}
"""From the last event, by the beginning of a storm's name."""
DONE_GROWTH = 2.0
"""All drains by scale-in are done within so many times one alone, and what quotas force."""
REQUESTS_GROWTH = 1.10
"""Requests to the cluster that a drain may make, as a share of those of one alone."""


def targets(found: Mapping[str, Json], storms: Mapping[str, Storm]) -> list[Target]:
    """The targets of each outcome of ``found``, by the name of its storm."""
    return [
        target
        for name, outcome in found.items()
        if name != ALONE
        for target in _of(name, outcome, found[ALONE], of_name(name, dict(storms)))
    ]


def _of(name: str, outcome: Json, alone: Json, storm: Storm) -> Iterator[Target]:
    for count, what in (("lost", "lost"), ("twice", "drained twice"), ("failed", "failed")):
        yield Target(PART, f"{name}: {what}", outcome[count], 0, "instances")
    yield Target(PART, f"{name}: not given their whole grace", outcome["cut_short"], 0, "pods")
    for start, limit in LAST_CORDON_S.items():
        if name.startswith(start):
            late = outcome["cordon_last_s"] - storm.within_s
            yield Target(PART, f"{name}: last cordon", late, limit, "s after the last event")
    if storm.kind == "scale-in" and name.startswith(tuple(LAST_CORDON_S)):
        forced = sum(storm.forced_s().values())
        limit = DONE_GROWTH * alone["done_s"] + forced
        done = outcome["done_s"] - storm.within_s
        unit = f"s after the last event; quotas force {forced:.0f} of them"
        yield Target(PART, f"{name}: all done", done, round(limit, 1), unit)
    # One alone watches, so it says nothing about what polling costs.
    if storm.waiting == "watch":
        yield from _requests(name, outcome["kube_requests"], alone["kube_requests"])


def _requests(name: str, made: Mapping[str, float], alone: Mapping[str, float]) -> Iterator[Target]:
    """Once as they are, and once beside a drain alone of as many pods: a pod that lands on a node which goes
    next has to be evicted there, too."""
    whole, of_one = sum(made.values()), sum(alone.values())
    as_many = of_one + made[EVICTIONS] - alone[EVICTIONS]
    yield Target(PART, f"{name}: requests a drain", whole / of_one, REQUESTS_GROWTH, "of one alone")
    yield Target(
        PART,
        f"{name}: requests a drain of as many pods",
        whole / as_many,
        REQUESTS_GROWTH,
        "of one alone with as many",
    )
