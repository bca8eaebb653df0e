"""What happened to each pod: what blocked it, when it was evicted, its grace, when it was gone. Pure.

The history names pods only in waits, and at most 20 at a time. The cluster's audit log adds
each eviction and, by the kubelet's own DELETE, the time at which the pod was gone.
Times are epoch seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stepdrain.clock import to_epoch_s

from stepdrain_recorded.audit import AuditEvent, changes
from stepdrain_recorded.timeline import Attempt, Timeline

NAMED = re.compile(
    r"(?:^|[;:] )([a-z0-9.-]+/[a-z0-9.-]+): (.*?)(?=; [a-z0-9.-]+/[a-z0-9.-]+: |; and \d+ more$|$)"
)
UNTIL = re.compile(r"has until ([\dT:+-]+Z?)")
MORE = re.compile(r"and \d+ more$")
BLOCKED = ("EvictionBlocked", "EvictionStillBlocked")
REMAINING = ("PodsRemaining", "PodsStillRemaining")


@dataclass
class Span:
    """A period of time, and the reason for it."""

    start: float
    end: float
    why: str


@dataclass
class PodTimeline:
    """One pod during the drain. ``grace_ends`` is its deletionTimestamp, if a Cause names it."""

    pod: str
    blocked: list[Span] = field(default_factory=list)
    evicted: float | None = None
    grace_ends: float | None = None
    gone: float | None = None
    forced: bool = False
    """Deleted in spite of its budget, because the policy was force."""

    @property
    def begins(self) -> float:
        """When the drain first blocked on it or evicted it."""
        known = [*(span.start for span in self.blocked), *([self.evicted] if self.evicted else [])]
        return min(known, default=self.gone or 0.0)


def named(cause: str) -> dict[str, str]:
    """The pods (``namespace/name``) that a Cause names, each with its reason."""
    return dict(NAMED.findall(cause))


def budget(why: str) -> str:
    """The budget's name in a reason, in our words (``disruption budget db …``) or the server's."""
    words = why.replace("disruption budget", "budget").split()
    if "budget" in words[:-1]:
        return f"budget {words[words.index('budget') + 1]}"
    return "two budgets" if "more than one" in why or "more than one PodDisruptionBudget" in why else ""


def read(line: Timeline, audit: Sequence[AuditEvent] = ()) -> list[PodTimeline]:
    """All pods that the history and the audit log name, in the order in which the drain met them."""
    found: dict[str, PodTimeline] = {}
    _evictions(found, line, audit)
    _blocked(found, line)
    _leaving(found, line)
    _gone(found, line, audit)
    for timeline in found.values():
        _close(timeline, line)
    return sorted(found.values(), key=lambda timeline: (timeline.begins, timeline.pod))


def within(line: Timeline, audit: Iterable[AuditEvent]) -> list[AuditEvent]:
    """The audit log's events from a second before the drain's start to a second after its end."""
    return [
        event
        for event in audit
        if line.started - 1 <= to_epoch_s(event["requestReceivedTimestamp"]) <= line.ended + 1
    ]


def _evictions(found: dict[str, PodTimeline], line: Timeline, audit: Sequence[AuditEvent]) -> None:
    for change in changes(within(line, audit)):
        if change.kind in ("evict", "delete") and change.status < 300:
            timeline = _timeline(found, change.object)
            if timeline.evicted is None or change.kind == "delete":
                timeline.evicted = timeline.evicted or to_epoch_s(change.at)
                timeline.forced = timeline.forced or change.kind == "delete"


def _blocked(found: dict[str, PodTimeline], line: Timeline) -> None:
    for visit in line.visits:
        if visit.state != "EvictBatch":
            continue
        for attempt in visit.attempts:
            if attempt.error in BLOCKED:
                _note_blocked(found, named(attempt.cause), attempt, whole=not MORE.search(attempt.cause))
            elif not attempt.error:
                texts = "; ".join(visit.blockers)
                _note_blocked(found, named(texts), attempt, whole=not MORE.search(texts))


def _note_blocked(
    found: dict[str, PodTimeline], pods: Mapping[str, str], attempt: Attempt, *, whole: bool
) -> None:
    for pod, timeline in found.items():
        if timeline.blocked and timeline.blocked[-1].end == float("inf") and pod not in pods and whole:
            timeline.blocked[-1].end = attempt.at
    for pod, why in pods.items():
        timeline = _timeline(found, pod)
        still = bool(timeline.blocked) and timeline.blocked[-1].end == float("inf")
        # The server words the same refusal differently from rules/budgets.py.
        same = still and (budget(timeline.blocked[-1].why) or timeline.blocked[-1].why) == (
            budget(why) or why
        )
        if still and not same:
            timeline.blocked[-1].end = attempt.at
        if not same:
            timeline.blocked.append(Span(attempt.at, float("inf"), why))


def _leaving(found: dict[str, PodTimeline], line: Timeline) -> None:
    """Evictions known only from a WaitForPods Cause: dated by the last EvictBatch that evicted pods."""
    last_batch = line.started
    for visit in line.visits:
        if visit.state == "EvictBatch" and not visit.error:
            last_batch = visit.attempts[-1].at if visit.attempts else visit.entered
        for attempt in visit.attempts if visit.state == "WaitForPods" else ():
            if attempt.error not in REMAINING:
                continue
            for pod, why in named(attempt.cause).items():
                timeline = _timeline(found, pod)
                timeline.evicted = timeline.evicted or last_batch
                until = UNTIL.search(why)
                timeline.grace_ends = to_epoch_s(until[1]) if until else timeline.grace_ends


def _gone(found: dict[str, PodTimeline], line: Timeline, audit: Sequence[AuditEvent]) -> None:
    for event in within(line, audit):
        reference = event.get("objectRef") or {}
        by_kubelet = (event.get("user") or {}).get("username", "").startswith("system:node:")
        whole_pod = reference.get("resource") == "pods" and not reference.get("subresource")
        key = f"{reference.get('namespace')}/{reference.get('name')}"
        if by_kubelet and whole_pod and event["verb"] == "delete" and key in found:
            found[key].gone = to_epoch_s(event["requestReceivedTimestamp"])
    for timeline in found.values():
        if timeline.evicted is not None and timeline.gone is None:
            timeline.gone = _last_seen(timeline, line)


def _last_seen(timeline: PodTimeline, line: Timeline) -> float | None:
    """Without the kubelet's DELETE: the end of the first WaitForPods attempt that does not name the pod."""
    for visit in line.visits:
        for attempt in visit.attempts if visit.state == "WaitForPods" else ():
            ended = attempt.ended or attempt.at
            cut = bool(MORE.search(attempt.cause))
            waits = attempt.error in REMAINING and (cut or timeline.pod in named(attempt.cause))
            if (
                ended > (timeline.evicted or 0)
                and not waits
                and (not attempt.error or attempt.error in REMAINING)
            ):
                return ended
    return None


def _close(timeline: PodTimeline, line: Timeline) -> None:
    until = timeline.evicted or timeline.gone or line.ended
    for span in timeline.blocked:
        span.end = max(span.start, min(span.end, until))
    timeline.blocked = [
        span for span in timeline.blocked if span.end > span.start or timeline.evicted is None
    ]


def _timeline(found: dict[str, PodTimeline], pod: str) -> PodTimeline:
    return found.setdefault(pod, PodTimeline(pod))
