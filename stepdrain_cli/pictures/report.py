"""One drain as one HTML file: no network, no script, light and dark, on paper too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from stepdrain.clock import to_epoch_s, to_rfc3339
from stepdrain.document.progress import HEARTBEATS, recorded
from stepdrain.reporting import links, next_steps
from stepdrain.rules.reasons import counted

from stepdrain_cli.pictures import chart, costs
from stepdrain_recorded import audit as audit_log
from stepdrain_recorded import pod_timelines, waits
from stepdrain_recorded.timeline import Timeline, timeline

Json = dict[str, Any]
SHOWN_CHANGES = 300
LOCAL = "local"
"""The reason of a drain by ``stepdrain run``."""
LOCAL = "local"
"""Stands for a region in the ARN of a `stepdrain run`, which has no execution to redrive."""
WORDS = {
    "label": "label: out of external load balancers",
    "cordon": "cordon: unschedulable",
    "evict": "eviction",
    "delete": "delete, past its budget",
}

ORDER = {"label": 0, "cordon": 1}


@dataclass(frozen=True)
class Number:
    """A fact in large letters; ``note`` says where it comes from."""

    name: str
    value: str
    note: str = ""


def render(events: Sequence[Mapping[str, Any]], audit: Sequence[Mapping[str, Any]] | None = None) -> str:
    """The report of a history (stepdrain_recorded.history) and, if there is one, of an audit log."""
    line = timeline(events)
    inside = pod_timelines.within(line, audit or ())
    met = pod_timelines.read(line, inside)
    environment = Environment(
        loader=PackageLoader("stepdrain_cli.pictures"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": chart.duration, "clock": to_rfc3339}
    changes = audit_log.changes(inside)
    return environment.get_template("report.html.j2").render(
        line=line,
        facts=_facts(line),
        numbers=_numbers(line, inside, audit is not None),
        states=chart.states(line),
        pods=chart.pods(line, met),
        waits=waits.waits(line),
        stages=waits.stages(line),
        shown=waits.SHOWN,
        trail=_trail(line, changes[:SHOWN_CHANGES]),
        omitted=max(0, len(changes) - SHOWN_CHANGES),
        audited=audit is not None,
        doubt=_doubt(line, changes) if audit is not None else "",
        commands=_commands(line),
        losses=_losses(line),
        runbook=links.runbook(line.error or (line.status if line.status != "SUCCEEDED" else "")),
    )


def _facts(line: Timeline) -> list[tuple[str, str]]:
    lifecycle = line.document.get("lifecycle") or {}
    facts = [
        ("Node", line.node or "not found yet"),
        ("Instance", line.instance or "none"),
        ("Cluster", str(line.document.get("cluster", "unknown"))),
        ("Group", str(lifecycle.get("group") or "none: no lifecycle action")),
        ("Started (UTC)", to_rfc3339(line.started)),
        ("Ended (UTC)" if line.status != "RUNNING" else "Last event (UTC)", to_rfc3339(line.ended)),
        ("Execution", line.arn or "unknown: no state had begun"),
    ]
    completed = line.document.get("completed")
    return [*facts, ("Action", f"{completed['result']}: {completed['outcome']}")] if completed else facts


def _numbers(line: Timeline, audit: Sequence[Mapping[str, Any]], audited: bool) -> list[Number]:
    progress = recorded(line.document) or {}
    ours = sum(str(event.get("userAgent", "")).startswith("stepdrain/") for event in audit)
    forced = f"{progress['forced']} of them forced" if progress.get("forced") else ""
    return [
        Number("time", chart.duration(line.ended - line.started), _redrives(len(line.redriven))),
        Number("evictions", str(progress.get("evicted", 0)), forced),
        Number("still blocked", str(progress.get("blocked", 0)), "in the last record"),
        Number("retries", str(line.retries)),
        Number("heartbeats", str(sum(v.state in HEARTBEATS and not v.error for v in line.visits))),
        Number("API requests", str(ours) if audited else "–", "" if audited else "needs --audit"),
        Number("transitions", str(line.transitions), f"{line.events} of 25,000 events"),
        Number("cost", f"${costs.of_drain(line):.4f}", "without cold starts"),
    ]


def _redrives(count: int) -> str:
    return f"with {counted(count, 'redrive')}" if count else ""


def _trail(line: Timeline, changes: Sequence[audit_log.Change]) -> list[tuple[str, str, str, int]]:
    # Requests of one batch come at the same time; their order would be the threads'.
    rows = sorted(
        ((to_epoch_s(change.at) - line.started, change) for change in changes),
        key=lambda row: (row[0], ORDER.get(row[1].kind, len(ORDER)), row[1].object),
    )
    return [
        (chart.duration(max(0.0, at)), WORDS.get(row.kind, row.kind), row.object, row.status)
        for at, row in rows
    ]


def _doubt(line: Timeline, changes: Sequence[audit_log.Change]) -> str:
    done = sum(change.kind in ("evict", "delete") and change.status < 300 for change in changes)
    known = (recorded(line.document) or {}).get("evicted", 0)
    if done == known:
        return ""
    return (
        f"The audit log has {counted(done, 'eviction')} in this time and the history counts {known}: "
        "an audit log does not say on which node a pod ran, so some may belong to another drain."
    )


def _commands(line: Timeline) -> list[tuple[str, str]]:
    """What to type about a drain that stopped; a run from a laptop has no account to redrive it in."""
    if line.status not in ("FAILED", "TIMED_OUT", "ABORTED"):
        return []
    who = line.node or line.instance
    if line.document.get("reason") == LOCAL:
        return [
            ("Run it again", f"stepdrain run {who}"),
            ("Give the node back", f"stepdrain undo {who} --local"),
        ]
    if not line.arn:
        return []
    error, arn = line.error or line.status, line.arn
    steps = next_steps.after(error, who or arn, next_steps.flags(arn))
    steps += next_steps.without_the_command_line(error, arn)
    shown = [(text.rstrip(":"), command) for text, command in steps]
    console = links.execution(arn.split(":")[3], arn)
    return [*shown, ("Console", console)] if console else shown


def _losses(line: Timeline) -> bool:
    """Whether a drain that succeeded forced pods, left some, or found no node."""
    completed = line.document.get("completed") or {}
    forced = (recorded(line.document) or {}).get("forced")
    lost = completed.get("reason") or completed.get("outcome") in ("released", "never joined")
    return line.status == "SUCCEEDED" and bool(forced or lost)
