"""The batch of an attempt: which pods are asked to go now, which are held, and which are rolled instead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from stepdrain.document.step import Step
from stepdrain.document.timing import Timing
from stepdrain.rules import budgets, reasons, waves
from stepdrain.rules.budgets import Budget
from stepdrain.rules.eviction_answers import Tally
from stepdrain.rules.pods import Pod
from stepdrain.rules.reasons import Reason, counted
from stepdrain.states import eviction_requests, rolling, routes, waiting
from stepdrain.states.rolling import Rolling
from stepdrain.states.waiting_events import Warn


class Cluster(rolling.Cluster, eviction_requests.Cluster, Protocol):
    """What is asked of the Kubernetes adapter."""

    def budgets(self) -> list[Budget]: ...


@dataclass(frozen=True)
class Moved:
    """What an attempt came to."""

    tally: Tally
    forced: list[Reason]
    """The pods that were deleted; the tally counts them as evicted, too, unless they were terminating."""
    staying: int
    """How many pods from before the cordon nobody had asked to go until now."""
    old_pods: int
    """How many of those are asked now, with success."""
    rolled: Rolling
    evicted: list[Pod]
    """The pods whose eviction was accepted."""

    @property
    def nothing(self) -> bool:
        """No pod was asked to go with success."""
        return not self.tally.evicted and not self.forced and not self.rolled.begun


@dataclass(frozen=True)
class Choice:
    """The pods to ask for, those that are held by our own reading, and the workloads that are rolled instead.

    One that is held may be asked for all the same.
    """

    asked: list[Pod]
    held: list[Reason]
    rolled: Rolling


def begun(step: Step) -> bool:
    """Whether an attempt before this one has looked at the pods; one that waited for its turn has not."""
    # The first definition keeps no record of that.
    repeated = step.attempt > 0 and step.wait_s is None
    record = step.progress
    return repeated or record.number > 0 or record.evicted > 0 or record.asked_at is not None


def move(
    staying: list[Pod],
    leaving: list[Pod],
    step: Step,
    cluster: Cluster,
    timing: Timing,
    warn: Warn,
    *,
    for_deadline: bool,
) -> Moved:
    """Evict the first wave, and under force what must be asked for the deadline, of any wave.

    Of the latter, DELETE removes what a budget or a webhook still holds, and shortens a grace that ends after
    the deadline.
    """
    # Who waits for a turn asks again only after that long.
    ahead = replace(timing, now=timing.now + waiting.POLL_S) if for_deadline else timing
    due = [pod for pod in staying if routes.must_be_asked(pod, step.policy, ahead)]
    late = [pod for pod in leaving if routes.must_be_shortened(pod, step.policy, timing)]
    first = [] if for_deadline else waves.first([*staying, *leaving])
    rest = [pod for pod in first if pod.deletion_at is None and pod not in due]
    later = [pod for pod in staying if pod not in rest and pod not in due]
    choice = _choose(rest, later, step, cluster, warn)
    asked = eviction_requests.send(due, choice.asked, late, choice.held, step, cluster, timing)
    asked.tally.blocked = choice.rolled.explained(asked.tally.blocked)
    old = {pod.uid for pod in staying if pod.created_at < step.cordoned_at}
    return Moved(asked.tally, asked.forced, len(old), len(old & asked.moved), choice.rolled, asked.evicted)


def _choose(rest: list[Pod], later: list[Pod], step: Step, cluster: Cluster, warn: Warn) -> Choice:
    """What is asked of ``rest``, the wave whose turn it is.

    After each heartbeat the server is asked for one even if all budgets say no: a mistake in our reading of
    them must not be what a drain hangs on.
    """
    if not rest:
        return Choice([], [], Rolling())
    listed = cluster.budgets()
    rolled = rolling.roll(rest, listed, step, cluster)
    # At once, and whatever their wave: hours of other evictions may go before a drain that is blocked.
    if not begun(step) and (refused := budgets.multiple([*rolled.others, *later], listed)):
        warn("MultipleBudgets", _multiple(refused))
    choice = budgets.choose(rolled.others, listed, step.policy.batch_size)
    probe = step.progress.probing if step.wait_s is not None else step.attempt == 0
    asked = choice.evict or (rolled.others[:1] if probe else [])
    return Choice(asked, [*rolled.held, *choice.blocked], rolled)


def _multiple(refused: list[Reason]) -> str:
    pods = counted(len(refused), "pod")
    return (
        f"{pods} cannot be evicted, now or later, until one budget alone selects each: "
        f"{'; '.join(reasons.phrases(refused))}. Change a selector, or delete a budget "
        "(kubectl get poddisruptionbudgets --all-namespaces)"
    )
