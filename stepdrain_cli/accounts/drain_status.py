"""A drain's standing in words: what ``status`` prints and ``watch`` draws. Pure."""

from __future__ import annotations

import re

from stepdrain.clock import to_rfc3339
from stepdrain.document.progress import recorded
from stepdrain.reporting import links, next_steps

from stepdrain_cli.accounts.drains import RUNNING, Standing
from stepdrain_cli.accounts.node_now import NodeNow
from stepdrain_cli.pictures.chart import duration
from stepdrain_cli.terminal import tables

Lines = list[tuple[str, str]]
POD = re.compile(r"([\w.-]+/[\w.-]+): ")
"""How the phrase about a pod begins (stepdrain.rules.reasons)."""


def lines(found: Standing, now: float, flags: str = "", present: NodeNow | None = None) -> Lines:
    """(name, text) of each line; ``now`` in epoch seconds, ``flags`` what suggested commands repeat.

    ``present``: what the cluster shows of the node; without it counts are those of the record.
    """
    drain, line = found.drain, found.line
    ended = drain.ended if drain.ended is not None else now
    rows: Lines = [
        ("Node", drain.node or "not found yet"),
        ("Instance", drain.instance or "none"),
        ("Execution", drain.arn),
        ("Status", f"{drain.status} after {duration(round(ended - drain.started))}"),
        ("State", _state(found, now)),
    ]
    if found.redrives:
        rows.append(("Redrives", str(found.redrives)))
    rows += _pods(found, now, present)
    if drain.status in RUNNING:
        rows += _running(found, now)
    elif line.status == "SUCCEEDED":
        rows += _done(found, flags, present)
    else:
        bare = present is not None and present.bare
        rows += _stopped(found, now, flags, bare=bare)
    return rows + _links(found)


def _links(found: Standing) -> Lines:
    region, arn, state = found.drain.arn.split(":")[3], found.drain.arn, found.drain.state
    rows = [
        ("Console", links.execution(region, arn)),
        ("Log", links.log(region, arn, state) if state else ""),
    ]
    return [row for row in rows if row[1]]


def _state(found: Standing, now: float) -> str:
    if not found.line.visits:
        return "none was entered"
    visit = found.line.visits[-1]
    since = "" if found.drain.ended else f", since {duration(round(now - visit.entered))}"
    return f"{visit.state}, attempt {max(1, len(visit.attempts))}{since}"


def _pods(found: Standing, now: float, present: NodeNow | None) -> Lines:
    record = recorded(found.line.document)
    if not record:
        return []
    blocked, leaving = blocked_and_leaving(found, present)
    blockers, age = record["blockers"], ""
    if present is not None:
        # Where no pod is waited for, it is volumes or targets that the phrases name.
        pods = record["blocked"] or record["leaving"]
        blockers = [phrase for phrase in blockers if not (pods and _gone(phrase, present))]
    elif found.drain.status != "SUCCEEDED" and (leaving or blocked):
        age = f" (as recorded {duration(round(now - found.recorded_at))} ago)"
    forced = f" ({record['forced']} forced)" if record["forced"] else ""
    counts = f"{record['evicted']} evicted{forced}, {leaving} leaving, {blocked} blocked{age}"
    given_up = [*record.get("stuckPods", ()), *record.get("unendedPods", ())]
    return [("Pods", counts), *(("", named) for named in [*blockers, *given_up])]


def blocked_and_leaving(found: Standing, present: NodeNow | None) -> tuple[int, int]:
    """Counts of the node's pods: as the cluster shows them, or without ``present`` as they were recorded."""
    record = recorded(found.line.document) or {}
    blocked, leaving = record.get("blocked", 0), record.get("leaving", 0)
    if present is None or found.drain.status == "SUCCEEDED":
        return blocked, leaving
    return min(blocked, len(present.staying)), len(present.leaving)


def _gone(phrase: str, present: NodeNow) -> bool:
    """Whether the phrase is about a pod, and the pod is no longer on the node."""
    pod = POD.match(phrase)
    return pod is not None and pod[1] not in present.staying | present.leaving


def _running(found: Standing, now: float) -> Lines:
    rows: Lines = [("Waits for", found.waiting_for)] if found.waiting_for else []
    rows.append(("Deadline", _left(found.deadline, now)))
    if found.heartbeat_until is not None:
        rows.append(("Heartbeat", _left(found.heartbeat_until, now)))
    return rows


def _left(until: float, now: float) -> str:
    if until <= now:
        return f"over since {to_rfc3339(until)}"
    return f"in {duration(round(until - now))}, at {to_rfc3339(until)}"


def _stopped(found: Standing, now: float, flags: str, *, bare: bool) -> Lines:
    line, error = found.line, found.line.error or found.line.status
    who = found.drain.node or found.drain.instance or found.drain.arn
    rows = [("Error", error), ("Why", line.cause or "no cause was recorded")]
    if found.heartbeat_until is not None:
        text = _left(found.heartbeat_until, now)
        held = f"the instance is let go {text}" if found.heartbeat_until > now else text
        rows.append(("Time left", held))
    rows.append(("Runbook", links.runbook(error)))
    steps = next_steps.after(error, who, flags)
    if not found.redrivable:
        rows.append(("Redrive", found.why_not or "is not possible"))
        steps = [step for step in steps if " redrive " not in step[1]]
    if bare:
        rows.append(("Undone", "nothing that a drain has set is left on the node"))
        steps = [step for step in steps if " undo " not in step[1]]
    for number, (text, command) in enumerate(steps):
        rows += [("What to do" if number == 0 else "", text), ("", f"  {command}")]
    return rows


def _done(found: Standing, flags: str, present: NodeNow | None) -> Lines:
    completed = found.line.document.get("completed") or {}
    rows = [("Action", f"{completed.get('result', 'none')}: {completed.get('outcome', '')}")]
    if present is None or present.bare:
        return rows
    text = "The node still has what the drain has set. To use it again:"
    return [*rows, ("What to do", text), ("", f"  stepdrain undo {found.drain.who}{flags}")]


def text(rows: Lines, columns: int | None = None) -> str:
    """The lines as one text, names in a column; wrapped for a terminal of so many ``columns``."""
    return "\n".join(tables.fields(rows, columns))
