"""WaitForPods: are the evicted pods gone, may others go, and what is to be done next?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from stepdrain.clock import Clock, to_rfc3339
from stepdrain.document import progress
from stepdrain.document.progress import Progress
from stepdrain.document.step import Step
from stepdrain.document.timing import Timing
from stepdrain.errors import EvictionBlocked, NotYet, PodsRemaining
from stepdrain.rules import budgets, first_definition, pods, reasons, stuck_pods, waves
from stepdrain.rules.budgets import Budget
from stepdrain.rules.pods import Action, Pod
from stepdrain.rules.reasons import Reason, counted
from stepdrain.states import remaining_pods, routes, waiting
from stepdrain.states.waiting import POLL_S
from stepdrain.states.waiting_events import WaitingEvents, Warn

LOOKS_S = (1, 2, 4, 8)
"""Pauses between the looks of a visit's first attempt that cannot watch; most pods leave by then."""
LONG_S = 3600
"""After so many seconds polls thin out."""
DEAF_AFTER_S = 5
"""A watch that was quiet for so long is compared with a new list: a proxy may have held its events back."""
DEAF = "a watch on the cluster showed nothing although pods or budgets had changed; a proxy may hold it back"


@dataclass(frozen=True)
class View:
    """The node's pods, and the disruption budgets if any of the pods is still to be evicted.

    The versions are those from which a watch goes on.
    """

    node: str
    pods: list[Pod]
    pods_version: str
    budgets: list[Budget] | None = None
    budgets_version: str = ""


class Cluster(Protocol):
    """What WaitForPods asks of the Kubernetes adapter."""

    def pods_on(self, node: str) -> View: ...
    def with_budgets(self, view: View) -> View: ...
    def follow(self, view: View, seconds: float, done: Callable[[View], bool]) -> tuple[View, str]: ...
    def node(self, name: str) -> Mapping[str, Any] | None: ...


@dataclass(frozen=True)
class Seen:
    """The node's pods that count for the drain, by what is to be waited for."""

    staying: list[Pod]
    leaving: list[Pod]
    returned: list[Pod]
    """They tolerate the cordon, and go with the machine."""
    stuck: list[Pod] = field(default_factory=list)
    unended: list[Pod] = field(default_factory=list)
    """Given up although the kubelet answers."""

    @property
    def to_evict(self) -> list[Pod]:
        """The pods of this wave that nobody has asked to go; those that are given up hold no wave."""
        return [pod for pod in waves.first([*self.staying, *self.leaving]) if pod.deletion_at is None]


def wait_for_pods(
    step: Step, cluster: Cluster, clock: Clock, until: float, warn: Warn, unwatched: str = ""
) -> Progress:
    """The record with the state that comes next (states.routes); waits until there is one.

    One list of the pods, and one of the budgets if a pod is still to be evicted; then a watch on each, no
    longer than ``until`` (epoch seconds), and after a quiet one the lists again. ``unwatched`` says why
    not to watch: then the first attempt of a visit lists four times more within 15 s. ``warn`` writes the
    Events that ``WaitingEvents`` names.
    Raises PodsRemaining or EvictionBlocked after a watch, else WatchUnavailable, naming the pods: those that
    leave with the end of their grace, those that are held with what holds them.
    """
    look, started_at = _Look(step, cluster), clock.now()
    view = look.at()
    if (decided := look.decide(view, clock.now())) is not None:
        return decided
    # Before the wait: an Event is not held back for as long as a watch lasts.
    events = WaitingEvents(step, warn, started_at)
    look.report(view, clock.now(), events)
    return _wait(look, view, clock, until, unwatched, events)


def _wait(
    look: _Look, view: View, clock: Clock, until: float, unwatched: str, events: WaitingEvents
) -> Progress:
    step, why = look.step, unwatched or look.step.progress.unwatched
    while not why:
        listed, began = view, clock.now()
        seconds = look.seconds(view, began, until)
        view, why = look.cluster.follow(view, seconds, lambda seen: _ends_watch(look, seen, clock, events))
        if (decided := look.decide(view, clock.now())) is not None:
            return decided
        # A clock that has jumped back ends the attempt, too.
        over = why or clock.now() >= until or clock.now() <= began
        # A watch that has shown anything is not held back.
        deaf = not why and seconds >= DEAF_AFTER_S and step.wait_s is not None and view is listed
        view = look.at() if deaf or not over else view
        if (decided := look.decide(view, clock.now())) is not None:
            return replace(decided, unwatched=DEAF) if deaf else decided
        if over:
            break
        look.report(view, clock.now(), events)
    if why and step.wait_s is not None:
        decided, view = _poll(look, view, clock, until)
        if decided is not None:
            return decided
    look.report(view, clock.now(), events)
    raise look.not_yet(view, clock.now(), why)


def _ends_watch(look: _Look, view: View, clock: Clock, events: WaitingEvents) -> bool:
    now = clock.now()
    return look.decide(view, now) is not None or (not events.blocked and look.blocks(view, now))


def _poll(look: _Look, view: View, clock: Clock, until: float) -> tuple[Progress | None, View]:
    """Look again a few times in a visit's first attempt, and at a moment that comes before the next one.

    From the second hour on each attempt looks twice, so that 48 hours fit into the history; and a pause
    between refused evictions is spent in one attempt.
    """
    pauses = [float(pause) for pause in LOOKS_S] if look.step.attempt == 0 else []
    if clock.now() - look.step.running_since >= LONG_S:
        pauses.append(POLL_S - 1.0)
    while True:
        left = look.seconds(view, clock.now(), until)
        if not pauses and left > POLL_S and not look.pausing(view, clock.now()):
            return None, view
        pause = min(left, pauses.pop(0) if pauses else POLL_S)
        if pause <= 0:
            return None, view
        clock.sleep(pause)
        view = look.at()
        if (decided := look.decide(view, clock.now())) is not None:
            return decided, view


class _Look:
    """What one attempt sees, and decides by it."""

    def __init__(self, step: Step, cluster: Cluster) -> None:
        self.step, self.cluster = step, cluster
        self._silent: bool | None = None
        self.unended: list[Pod] = []
        """The pods that are long past their grace although their kubelet answers."""

    def at(self) -> View:
        """The node's pods now, with the budgets if they matter."""
        view = self.cluster.pods_on(self.step.node.name)
        needed = self.step.wait_s is not None and self._sorted(view).to_evict
        return self.cluster.with_budgets(view) if needed else view

    def decide(self, view: View, now: float) -> Progress | None:
        """The record with what comes next, None if there is nothing to do but wait."""
        step, timing, seen = self.step, self.step.timing(now), self.seen(view, now)
        here = self._record(seen)
        if not seen.to_evict and not seen.leaving:
            return _emptied(step, here, timing)
        present = [*seen.staying, *seen.leaving]
        if not timing.over and routes.urgent(present, step, timing):
            return replace(here, next=progress.EVICT_BATCH)
        if routes.heartbeat_needed(timing):
            back_to = progress.WAIT_FOR_PODS if timing.polling is None else progress.EVICT_BATCH
            return routes.to_heartbeat(here, back_to, self.awaited(view, seen, now))
        if any(now >= moment for moment in self._evictions(view, seen)):
            return replace(here, next=progress.EVICT_BATCH)
        return None

    def seconds(self, view: View, now: float, until: float) -> float:
        """How long the attempt may wait: to its end, or to the next moment at which there is something to
        do."""
        step, seen = self.step, self.seen(view, now)
        if step.wait_s is None:
            return float(first_definition.watch_s(step.attempt))
        coming = routes.moments([*seen.staying, *seen.leaving], step, step.timing(now))
        coming += [stuck_pods.overdue_from(pod, step.policy) for pod in seen.leaving]
        coming += [stuck_pods.named_from(pod, step.policy) for pod in seen.leaving]
        coming += self._evictions(view, seen)
        return waiting.seconds_left([moment for moment in coming if moment > now], now, until)

    def pausing(self, view: View, now: float) -> bool:
        """Whether EvictBatch comes next as soon as a pause is over."""
        return bool(self._evictions(view, self.seen(view, now)))

    def blocks(self, view: View, now: float) -> bool:
        """Whether pods are still to go, and none leaves; of a view for which nothing was decided."""
        seen = self.seen(view, now)
        return bool(seen.staying) and not seen.leaving

    def report(self, view: View, now: float, events: WaitingEvents) -> None:
        """Write what must stand on the Node; of a view for which nothing was decided."""
        held = self.awaited(view, self.seen(view, now), now) if self.blocks(view, now) else []
        events.write(held, self.unended, now)

    def seen(self, view: View, now: float) -> Seen:
        """The pods by what is to be waited for; asks once whether the kubelet answers if some are overdue."""
        seen = self._sorted(view)
        if not stuck_pods.overdue(seen.leaving, self.step.policy, now):
            return seen
        if self._silent is None:
            node = self.step.node
            self._silent = stuck_pods.silent(self.cluster.node(node.name), node.uid)
        given_up = stuck_pods.given_up(seen.leaving, self.step.policy, now, silent=self._silent)
        leaving = [pod for pod in seen.leaving if pod not in given_up]
        if self._silent:
            return replace(seen, leaving=leaving, stuck=given_up)
        self.unended = stuck_pods.unended(seen.leaving, self.step.policy, now)
        return replace(seen, leaving=leaving, unended=given_up)

    def awaited(self, view: View, seen: Seen, now: float) -> list[Reason]:
        """Each pod that is still to go: what holds it, or until when it may take."""
        known = dict(phrase.split(": ", 1) for phrase in self.step.progress.blockers if ": " in phrase)
        blocked = budgets.choose(seen.to_evict, view.budgets or (), 0).blocked
        held = {reason.name: reason.why for reason in blocked}
        this_wave = {pod.uid for pod in seen.to_evict}
        for rolling in self.step.progress.rolling:
            held.pop(rolling, None)
        staying = [
            Reason(pod.key, held.get(pod.key) or known.get(pod.key) or _waits(pod.uid in this_wave))
            for pod in seen.staying
        ]
        slowest = sorted(seen.leaving, key=lambda pod: -(pod.deletion_at or 0))
        others = [Reason(pod.key, _until(pod, now)) for pod in slowest if pod not in self.unended]
        unended = [pod for pod in self.unended if pod in seen.leaving]
        return [*staying, *stuck_pods.why_unended(unended), *others]

    def not_yet(self, view: View, now: float, unwatched: str) -> NotYet:
        """The error that the attempt ends with."""
        seen = self.seen(view, now)
        named, timing = reasons.phrases(self.awaited(view, seen, now)), self.step.timing(now)
        if not seen.leaving:
            sentence = reasons.cannot_be_evicted(len(seen.staying), named)
            return waiting.not_yet(EvictionBlocked, sentence, timing, unwatched)
        more = f", and {counted(len(seen.staying), 'other', 'are')} to be evicted" if seen.staying else ""
        counts = f"{counted(len(seen.leaving), 'evicted pod', 'are')} still on the node{more}"
        return waiting.not_yet(PodsRemaining, f"{counts}: {'; '.join(named)}.", timing, unwatched)

    def _record(self, seen: Seen) -> Progress:
        before = self.step.progress
        return replace(
            before,
            leaving=len(seen.leaving),
            stuck=len(seen.stuck),
            stuck_pods=stuck_pods.names(seen.stuck),
            unended=len(seen.unended),
            unended_pods=stuck_pods.names_unended(seen.unended),
            returned=tuple(reasons.phrases([_why_left(pod, self.step) for pod in seen.returned])),
            blocked=min(before.blocked, len(seen.staying)),
        )

    def _sorted(self, view: View) -> Seen:
        by_action = remaining_pods.sort(view.pods, self.step)
        returned = [pod for pod in by_action[Action.LEAVE] if pods.returned(pod, self.step.cordoned_at)]
        return Seen(by_action[Action.EVICT] + by_action[Action.REFUSE], by_action[Action.WAIT], returned)

    def _evictions(self, view: View, seen: Seen) -> list[float]:
        """From when on EvictBatch may move pods that are to go now, in epoch seconds; empty if it could
        move none."""
        step, record = self.step, self.step.progress
        rolling = [pod for pod in seen.to_evict if pod.key in record.rolling]
        others = [pod for pod in seen.to_evict if pod not in rolling]
        # EvictBatch alone sees how far a rollout is.
        moments = [routes.rollouts_looked_at(step)] if rolling and step.wait_s is not None else []
        if self._may_go(view, others):
            moments.append(routes.pause_over_at(record))
        return moments

    def _may_go(self, view: View, pods_to_evict: list[Pod]) -> bool:
        if self.step.wait_s is not None:
            return bool(budgets.choose(pods_to_evict, view.budgets or (), 1).evict)
        # On the first definition EvictBatch asks, and waits, by itself; only pods that keep coming pause
        # here.
        young = any(pod.created_at >= self.step.cordoned_at for pod in pods_to_evict)
        return bool(pods_to_evict) and not (young and self.step.attempt < first_definition.YOUNG_PAUSES)


def _emptied(step: Step, here: Progress, timing: Timing) -> Progress:
    since = timing.now if here.emptied_at is None else here.emptied_at
    empty = replace(here, emptied_at=since, blocked=0, blockers=())
    return replace(empty, next=routes.after_last_pod(step, empty))


def _why_left(pod: Pod, step: Step) -> Reason:
    return Reason(pod.key, pods.verdict(pod, step.policy, since=step.cordoned_at).reason)


def _waits(of_this_wave: bool) -> str:
    return "is to be evicted" if of_this_wave else "waits until the wave before it has left"


def _until(pod: Pod, now: float) -> str:
    ends_at = pod.deletion_at or 0
    ends = to_rfc3339(ends_at)
    if ends_at > now:
        return f"has until {ends}"
    held = f", finalizers {', '.join(pod.finalizers)}" if pod.finalizers else ""
    return f"overdue since {ends}{held}"
