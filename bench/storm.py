"""Storms: many instances go at once, in an account with quotas, in virtual time where everything takes time.

    python -m bench.storm                           play them, judge them, and write their section of
                                                    docs/performance.md; hours
    python -m bench.storm --only "500 by scale-in"  play one anew; the others stay as they were
    python -m bench.storm --quick                   small ones, minutes; nothing is written

Nothing here is a promise of AWS: quotas are the published ones or assumed (stepdrain_sandbox.aws.quotas), and
what takes how long is in one table (stepdrain_sandbox.aws.durations). What is measured is whether the
installation gets along with them, and what they force.
"""

from __future__ import annotations

import copy
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

import click
from stepdrain.clock import to_epoch_s

from bench.targets import Target, missed
from stepdrain_recorded import audit
from stepdrain_sandbox.aws.account import ACCOUNT, REGION
from stepdrain_sandbox.aws.deploy import ROOT
from stepdrain_sandbox.aws.load import Load
from stepdrain_sandbox.aws.quotas import CONCURRENT_EXECUTIONS, OF_A_NEW_ACCOUNT, Quotas, Region
from stepdrain_sandbox.kube.store import rfc3339
from stepdrain_sandbox.workload import replica_set
from stepdrain_sandbox.world import World

Kind = Literal["spot", "scale-in"]
Json = dict[str, Any]
PART = "storm"
PAGE, KEPT = ROOT / "docs" / "performance.md", ROOT / "out" / "bench" / "storm.json"
GRACE_S, PODS = 30, 2
"""Of each pod, and pods on each node."""
SPARE = 2
"""Nodes that stay, for the evicted pods."""
SWEPT_S = 330
LONGEST_S = 4 * 3600
WARNING = "EC2 Spot Instance Interruption Warning"


@dataclass(frozen=True)
class Storm:
    """``instances`` go within ``within_s`` seconds; ``concurrent`` functions may run at once.

    ``share`` is the part that is granted of a quota that AWS does not publish.
    """

    kind: Kind
    instances: int
    within_s: float = 10.0
    region: Region = "other"
    concurrent: int = CONCURRENT_EXECUTIONS
    share: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """What became of it. Times in seconds from the first event; counts of instances, requests, functions."""

    cordon_p50_s: float
    cordon_p99_s: float
    cordon_last_s: float
    done_s: float
    finished: int
    lost: int
    twice: int
    throttled: dict[str, int]
    peak_concurrency: int
    cold_starts: int
    kube_requests_per_drain: float

    def to_document(self) -> Json:
        """As JSON holds it."""
        return asdict(self)


def play(storm: Storm) -> Outcome:
    """Let the storm pass over a world of its own."""
    with World(nodes=storm.instances + SPARE, workload=_workload) as world:
        # A stack that has stood for a while has been swept.
        world.pass_time(SWEPT_S)
        world.aws.schedules.stop()
        load = Load(world.clock, Quotas(world.clock, storm.region, storm.share, storm.concurrent))
        world.aws.put_under(load)
        victims = list(world.instances)[: storm.instances]
        began, before = world.clock.now(), len(world.kube.audit_log)
        _strike(world, storm, victims)
        world.pass_time(storm.within_s)
        ends_at = world.clock.now() + LONGEST_S
        # An event that Lambda throttles comes again within minutes; until then no execution runs.
        while len(world.aws.running(world.machine)) < len(victims) and world.clock.now() < ends_at:
            world.pass_time(10)
        world.settle(within_s=LONGEST_S, every_s=10)
        return _outcome(world, load, victims, began, before)


def _workload(nodes: Sequence[str]) -> Iterator[Json]:
    """Pods on each node that may start anywhere."""
    labels = {"app": "web"}
    yield replica_set("default", "web", labels, PODS * len(nodes), GRACE_S)


def _strike(world: World, storm: Storm, victims: Sequence[str]) -> None:
    for number, instance in enumerate(victims):
        at = world.clock.now() + storm.within_s * number / len(victims)
        if storm.kind == "spot":
            world.clock.call_at(at, partial(_warn, world, instance))
        else:
            world.clock.call_at(at, partial(world.terminate, instance))


def _warn(world: World, instance: str) -> None:
    world.aws.delivery.send(_warning(world, instance))


def _warning(world: World, instance: str) -> Json:
    return {
        "version": "0",
        "id": instance,
        "detail-type": WARNING,
        "source": "aws.ec2",
        "account": ACCOUNT,
        "time": rfc3339(world.clock.now()),
        "region": REGION,
        "resources": [],
        "detail": {"instance-id": instance, "instance-action": "terminate"},
    }


def _outcome(world: World, load: Load, victims: Sequence[str], began: float, before: int) -> Outcome:
    changes = audit.changes(world.kube.audit_log[before:])
    cordons = sorted(to_epoch_s(change.at) - began for change in changes if change.kind == "cordon")
    executions = copy.deepcopy(world.executions())
    drained = [
        json.loads(execution["input"])["instanceId"]
        for execution in executions
        if execution["status"] == "SUCCEEDED"
    ]
    ends = [
        execution["stopDate"].timestamp() - began for execution in executions if execution.get("stopDate")
    ]
    requests = [
        event for event in world.kube.audit_log[before:] if event["userAgent"].startswith("stepdrain/")
    ]
    return Outcome(
        cordon_p50_s=_part(cordons, 0.5),
        cordon_p99_s=_part(cordons, 0.99),
        cordon_last_s=cordons[-1] if cordons else float("inf"),
        done_s=max(ends, default=float("inf")),
        finished=len(set(drained)),
        lost=len(set(victims) - set(drained)),
        twice=len(executions)
        - len({json.loads(execution["input"])["instanceId"] for execution in executions}),
        throttled=dict(load.quotas.throttled),
        peak_concurrency=load.peak,
        cold_starts=load.cold_starts,
        kube_requests_per_drain=len(requests) / max(1, len(executions)),
    )


def _part(times: Sequence[float], part: float) -> float:
    return times[min(len(times) - 1, int(len(times) * part))] if times else float("inf")


STORMS = {
    "1,000 spot notices in 10 s": Storm("spot", 1000),
    "500 by scale-in": Storm("scale-in", 500, within_s=1.0),
    "2,000 by scale-in": Storm("scale-in", 2000, within_s=1.0),
    "500 by an instance refresh, 10 a minute": Storm("scale-in", 500, within_s=3000.0),
    "50 with 10 concurrent executions": Storm("scale-in", 50, within_s=1.0, concurrent=OF_A_NEW_ACCOUNT),
}
SMALL = {
    "50 spot notices in 0.5 s": Storm("spot", 50, within_s=0.5),
    "50 by scale-in": Storm("scale-in", 50, within_s=1.0),
    "50 with 10 concurrent executions": STORMS["50 with 10 concurrent executions"],
}
LAST_CORDON_S = {
    "1,000 spot": 30.0,
    "500 by scale-in": 30.0,
    "2,000 by": 120.0,
    "50 spot": 30.0,
    "50 by": 30.0,
}
"""From the last event, by the beginning of a storm's name."""
REQUESTS_GROWTH = 1.10
"""Requests to the cluster that a drain may make, as a share of those of one alone."""
PEER = (
    "aws-node-termination-handler, always on: 50 instances at once, P99 of the cordon 52 s at 100 requests a "
    "second and 154 s at 5 (published by its maintainers)."
)


def measure(
    storms: Mapping[str, Storm], shares: Sequence[float], say: Callable[[str], None]
) -> Iterator[tuple[str, Json]]:
    """Name and outcome of a drain alone, and of each storm at each share of the assumed quotas."""
    yield ALONE, play(Storm("scale-in", 1, within_s=0.0)).to_document()
    for name, storm in storms.items():
        for share in shares:
            shown = name if share == 1 else f"{name}, half of what is assumed"
            outcome = play(replace(storm, share=share)).to_document()
            say(f"{shown}: last cordon {outcome['cordon_last_s']:.0f} s")
            yield shown, outcome


def targets(found: Mapping[str, Json], storms: Mapping[str, Storm]) -> list[Target]:
    """Each storm beside what it must keep."""
    alone = found[ALONE]["kube_requests_per_drain"]
    judged = []
    for name, outcome in found.items():
        if name == ALONE:
            continue
        judged.append(Target(PART, f"{name}: lost", outcome["lost"], 0, "instances"))
        judged.append(Target(PART, f"{name}: drained twice", outcome["twice"], 0, "instances"))
        share = outcome["kube_requests_per_drain"] / alone
        judged.append(Target(PART, f"{name}: requests a drain", share, REQUESTS_GROWTH, "of one alone"))
        storm = next(found for known, found in storms.items() if name.startswith(known))
        for start, limit in LAST_CORDON_S.items():
            if name.startswith(start):
                late = outcome["cordon_last_s"] - storm.within_s
                judged.append(Target(PART, f"{name}: last cordon", late, limit, "s after the last event"))
    return judged


HEADING, NEXT = "## Storms", "\n## "
"""How the section of docs/performance.md begins, and what follows on it."""
INTRODUCTION = """\
Many instances go at once in an embedded account whose requests count against an ordinary region's quotas,
and where functions, requests and transitions take time. Times are from the first event, in virtual seconds.
What is played, and what stands in the way: [Storms](storms.md). What is not here has not been played."""
COLUMNS = ("cordon_p50_s", "cordon_p99_s", "cordon_last_s", "done_s", "finished", "lost", "twice")
VERDICTS = {True: "yes", False: "**no**"}
ALONE = "one alone"


def section(found: Mapping[str, Json], judged: Sequence[Target]) -> str:
    """The section of docs/performance.md, from its heading to its last line."""
    head = (
        "| storm | cordon p50, s | p99, s | last, s | all done, s | drained | lost | twice | throttled "
        "| functions at once | requests a drain |"
    )
    rows = [
        f"| {name} | "
        + " | ".join(f"{outcome[column]:,.0f}" for column in COLUMNS)
        + f" | {_throttled(outcome['throttled'])} | {outcome['peak_concurrency']:,} "
        + f"| {outcome['kube_requests_per_drain']:.1f} |"
        for name, outcome in found.items()
    ]
    verdicts = [
        f"| {target.name} | {target.figure:.2f} | {target.limit:g} | {target.unit} | {VERDICTS[target.met]} |"
        for target in judged
    ]
    parts = [
        [HEADING, INTRODUCTION],
        ["\n".join([head, "|---|" + "---:|" * 7 + "---|---:|---:|", *rows])],
        [f"For comparison: {PEER}"],
        ["\n".join(["| target | figure | at most | | met |", "|---|---:|---:|---|---|", *verdicts])],
    ]
    return "\n\n".join(text for part in parts for text in part) + "\n"


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


def _throttled(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count) or "none"


@click.command()
@click.option("--quick", is_flag=True, help="Fifty instances at most, in minutes; nothing is written.")
@click.option("--only", "names", multiple=True, type=click.Choice([*STORMS]), help="Play these alone.")
@click.option("--half", is_flag=True, help="At half of the assumed quotas, too.")
def command(quick: bool, names: tuple[str, ...], half: bool) -> None:
    """Play the storms and write them into docs/performance.md; exit status 1 if a target is missed."""
    logging.disable(logging.CRITICAL)
    storms = SMALL if quick else {name: STORMS[name] for name in names or STORMS}
    found: dict[str, Json] = {} if quick or not KEPT.exists() else json.loads(KEPT.read_text())
    for name, outcome in measure(storms, (1.0, 0.5) if half else (1.0,), click.echo):
        found[name] = outcome
        if not quick:
            _write(found)
    judged = targets(found, SMALL if quick else STORMS)
    for target in missed(judged):
        click.echo(f"MISSED {target.name}: {target.figure:.2f} {target.unit}, at most {target.limit:g}")
    sys.exit(bool(missed(judged)))


def _write(found: Mapping[str, Json]) -> None:
    """After each storm: one takes so long that the ones before it must not be lost with it."""
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps(found, indent=1) + "\n")
    PAGE.write_text(with_section(PAGE.read_text(), section(found, targets(found, STORMS))))


if __name__ == "__main__":
    command(prog_name="python -m bench.storm")
