"""One attempt of a state that waits: look, look again when an answer did not come, and report.

Repetition stands in the state machine. What stands here is bounded by one invocation: after an error that may
pass, the state looks again every few seconds, until the attempt is over, a heartbeat is due or the drain
has come to its end. Retry then covers what Lambda and Step Functions themselves answer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from stepdrain import clock
from stepdrain.adapters import connections
from stepdrain.document.progress import Progress
from stepdrain.document.step import Step, parse
from stepdrain.errors import (
    AwsUnavailable,
    KubeConflict,
    KubeThrottled,
    KubeUnavailable,
    Transient,
    WatchUnavailable,
)
from stepdrain.intake import settings
from stepdrain.reporting import logs
from stepdrain.reporting.drain_reports import report_end
from stepdrain.reporting.node_events import write_event
from stepdrain.states import routes, waiting

LOG = logs.logger()
AGAIN_S, INTERRUPTED_AGAIN_S = 5, 2
"""Seconds between two looks after an error; fewer where EC2 takes the instance at a fixed time."""
PASSING = (KubeUnavailable, KubeThrottled, KubeConflict, AwsUnavailable)

T = TypeVar("T")
Look = Callable[[Step, Any, float, str], Progress]
"""What a state does: the step, the cluster, until when the attempt may wait, and why it must not watch."""


def run(event: dict[str, Any], look: Look) -> dict[str, Any]:
    """The record with the state that comes next, as ``look`` decides; raises its errors.

    An attempt that got no answer until a heartbeat was due, or the drain's end came, leads to Heartbeat.
    """
    step = parse(event)
    until, now = ends_at(step), clock.now()
    crowded = waiting.crowded_out(step, now)
    unwatched = settings.unwatched(os.environ) or crowded
    watches = not unwatched and not step.progress.unwatched
    looks_until = waiting.watches_until(step, now, until) if watches else until

    def once() -> tuple[Progress, Any]:
        cluster = connections.kube(step.cluster)
        record = look(step, cluster, looks_until, unwatched)
        return (replace(record, unwatched=crowded) if crowded else record), cluster

    try:
        record, cluster = ask_again(once, step, until)
    except Transient as error:
        if not routes.heartbeat_needed(step.timing(clock.now())) or step.wait_s is None:
            raise
        return routes.unanswered(step, str(error)).to_document()
    except WatchUnavailable as error:
        if error.denied and step.attempt == 0:
            _warn_denied(step, error.denied)
        raise
    _report(step, record, cluster)
    return record.to_document()


def ends_at(step: Step) -> float:
    """Until when an attempt that begins now may wait, in epoch seconds."""
    timing = step.timing(clock.now())
    given_way_at = min(timing.heartbeat_at, timing.ends_at)
    # What was due before this attempt began is not put off by it.
    return max(timing.now, min(timing.now + (step.wait_s or 0), given_way_at))


def in_time(action: Callable[[], T], step: Step) -> T:
    """``ask_again`` for a state that cannot give way to a heartbeat: until the attempt is over.

    AWS's throttling is not asked again here. Many drains would ask in step; Retry draws its pauses at random.
    """
    return ask_again(action, step, clock.now() + (step.wait_s or 0), PASSING)


def ask_again(
    action: Callable[[], T], step: Step, until: float, passing: tuple[type[Transient], ...] = (Transient,)
) -> T:
    """What ``action`` returns, asked again after each ``passing`` error until ``until``; then that error."""
    pause = INTERRUPTED_AGAIN_S if step.timing(clock.now()).interrupted else AGAIN_S
    while True:
        try:
            return action()
        except passing as error:
            left = until - clock.now()
            if left <= 0:
                raise
            LOG.warning("asked again", state=step.state, error=type(error).__name__, why=str(error))
        clock.sleep(min(pause, left))


def _report(step: Step, record: Progress, cluster: Any) -> None:
    wanted = settings.node_conditions(os.environ)
    for not_recorded in report_end(cluster, step, record, clock.now(), wanted=wanted):
        LOG.warning(not_recorded)
    LOG.info("looked", state=step.state, attempt=step.attempt, progress=record.to_document())


def _warn_denied(step: Step, denied: str) -> None:
    """Once a drain: it goes on, only later than it could."""
    sentence = f"The drain polls every 10 to 30 seconds instead of watching, since {denied}"
    LOG.warning(sentence, node=step.node.name)
    cluster, now = connections.kube(step.cluster), clock.now()
    write_event(cluster, step.node, "WatchDenied", sentence, step.name, now)
