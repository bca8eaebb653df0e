"""StartDrain: from an event to executions with names, or to logged reasons why not."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from stepdrain import clock
from stepdrain.adapters import connections, invocation
from stepdrain.adapters.aws import Aws
from stepdrain.errors import DrainError
from stepdrain.intake import (
    envelope,
    interruption_events,
    lifecycle_events,
    notice_queue,
    ownership,
    returns,
    settings,
    sweep,
)
from stepdrain.intake.claim import Claims
from stepdrain.intake.envelope import Ignored
from stepdrain.intake.lifecycle_events import Start
from stepdrain.intake.lookups import Lookups
from stepdrain.intake.served_events import served
from stepdrain.reporting import logs
from stepdrain.schemas.validation import validate
from stepdrain.states import cordons_pending, wait_for_node
from stepdrain.verification import rehearsal

LOG = logs.logger()
GROUP_KEPT_S = 10
"""So long a group's tags and hook are taken from the cache: a scale-in asks for them once."""
PATIENCE_S = 15
"""For which a call is made again that AWS throttles or does not answer; the function has 40 s."""
NOTED_EVERY_S = 1
"""A third of the shortest time for which a note is heeded (cordons_pending.SHORTEST_S)."""
DRAIN_NODE = "DrainNode"
MACHINES = {
    DRAIN_NODE: "STEPDRAIN_STATE_MACHINE_ARN",
    wait_for_node.ADMIT_NODE: "STEPDRAIN_ADMIT_STATE_MACHINE_ARN",
}


@invocation.handler
@rehearsal.instead
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``{"execution", "started"}`` or ``{"ignored": reason}``; by instance, in ``drains``, for a notice.

    For a batch of the queue of notices ``{"batchItemFailures": [...], "answers": [...]}``, an answer for each
    message; the queue delivers failed ones again.

    Raises InvalidEvent or InvalidSettings, and Aws… errors that last: Lambda then tries twice more and
    hands the event to the dead-letter queue. An error of each message of a batch is raised, too.
    """
    account = connections.aws()
    with connections.patient(PATIENCE_S):
        own, begun = settings.intake(os.environ, connections.parameter), _Begun()
        try:
            if notice_queue.sent_by_queue(event):
                return _batch(event["Records"], own, account, begun)
            # It came alone, and has time: a look is asked for again, as anything else.
            return _one(event, own, account, _lookups([event], account, nullcontext), begun)
        finally:
            begun.note_latest()


class _Begun:
    """Notes the latest drain of a cluster for those that have begun just before: they wait for its cordon.

    Of many drains that one invocation starts, the first is noted at once, then one a second, and the last.
    """

    def __init__(self) -> None:
        self._latest: dict[str, tuple[Start, dict[str, Any]]] = {}
        self._noted_at: dict[str, float] = {}

    def add(self, drain: Start, event: dict[str, Any]) -> None:
        cluster = drain.document["cluster"]
        self._latest[cluster] = drain, event
        if clock.now() - self._noted_at.get(cluster, 0.0) >= NOTED_EVERY_S:
            self._note(cluster)

    def note_latest(self) -> None:
        for cluster in list(self._latest):
            self._note(cluster)

    def _note(self, cluster: str) -> None:
        drain, event = self._latest.pop(cluster)
        self._noted_at[cluster] = clock.now()
        noted = cordons_pending.note(drain.name, clock.now(), envelope.sent_at(event))
        with connections.patient(0):
            connections.keep(cordons_pending.key(cluster), noted, cordons_pending.KEPT_S)


def _one(
    event: Any, own: settings.IntakeSettings, account: Aws, looked: Lookups, begun: _Begun
) -> dict[str, Any]:
    if not interruption_events.known(event):
        return _carry_out(_decide(event, own, account), account, event, begun)
    if closed := interruption_events.called_off(event, own):
        return _all(_undo(closed, own, account), account, event, begun)
    notice = interruption_events.read(event, own)
    if isinstance(notice, Ignored):
        return _carry_out(notice, account, event, begun)
    answer = _all(ownership.starts(notice, looked, own), account, event, begun)
    while looked.warnings:
        LOG.warning(looked.warnings.pop())
    return answer


def _all(
    decisions: dict[str, Ignored | Start], account: Aws, event: dict[str, Any], begun: _Begun
) -> dict[str, Any]:
    answers = {
        instance: _carry_out(decision, account, event, begun) for instance, decision in decisions.items()
    }
    return {"drains": answers}


def _batch(
    records: list[dict[str, Any]], own: settings.IntakeSettings, account: Aws, begun: _Begun
) -> dict[str, Any]:
    events = [notice_queue.event_of(record) for record in records]
    looked = _lookups(events, account, lambda: connections.patient(0))
    failures, answers = [], []
    errors: list[DrainError] = []
    for record, event in zip(records, events, strict=True):
        try:
            answers.append(_one(event, own, account, looked, begun))
        except DrainError as error:
            LOG.error(f"notice failed: {error}", notice=record["messageId"], error=type(error).__name__)
            errors.append(error)
            failures.append({"itemIdentifier": record["messageId"]})
            answers.append({"failed": str(error)})
    if len(errors) == len(records):
        raise errors[0]
    return {"batchItemFailures": failures, "answers": answers}


def _lookups(events: list[Any], account: Aws, at_once: Callable[[], AbstractContextManager[None]]) -> Lookups:
    instances = [instance for event in events for instance in interruption_events.instances_in(event)]
    return Lookups(account, instances, at_once)


def _undo(
    notice: interruption_events.Notice, own: settings.IntakeSettings, account: Aws
) -> dict[str, Ignored | Start]:
    """What happens to the drains of a closed event: they are undone where the instance still runs."""
    running = account.running(notice.instances)
    return {
        instance: _undo_one(instance, instance in running, notice, own, account)
        for instance in notice.instances
    }


def _undo_one(
    instance: str,
    runs: bool,
    notice: interruption_events.Notice,
    own: settings.IntakeSettings,
    account: Aws,
) -> Ignored | Start:
    if not runs:
        return Ignored(f"The event is closed, and instance {instance} does not run.")
    name = notice.execution(instance)
    others = account.executions_of(own.state_machine_arn, instance, "RUNNING")
    if other := next((execution["name"] for execution in others if execution["name"] != name), None):
        return Ignored(f"The event is closed; instance {instance} is also drained by execution {other}.")
    start = returns.undo(name, account, own, "AWS Health has closed the event that it was for.")
    return start or Ignored(f"The event is closed, and has drained nothing of instance {instance}.")


def _carry_out(
    decision: Ignored | Start, account: Aws, event: dict[str, Any], begun: _Begun
) -> dict[str, Any]:
    if isinstance(decision, Ignored):
        LOG.info("event ignored", reason=decision.reason)
        return {"ignored": decision.reason}
    for warning in decision.warnings:
        LOG.warning(warning)
    _share_endpoint(decision.document.get("cluster"))
    arn = os.environ[MACHINES[decision.machine]]
    try:
        started = account.start_execution(arn, decision.name, decision.document)
    except DrainError:
        _claims(arn, account).give_back(decision.document["instanceId"], decision.name)
        raise
    if started and decision.machine == DRAIN_NODE:
        begun.add(decision, event)
    said = "started" if started else "was started before"
    LOG.info(f"{decision.machine} {said}", execution=decision.name)
    return {"execution": decision.name, "started": started}


def _share_endpoint(cluster: str | None) -> None:
    if not cluster:
        return
    try:
        connections.share_endpoint(cluster)
    except DrainError as error:
        LOG.info(
            f"The endpoint of cluster {cluster} is not in the cache; each state asks EKS for it: {error}"
        )


def _decide(event: dict[str, Any], own: settings.IntakeSettings, account: Aws) -> Ignored | Start:
    if not isinstance(event, dict):
        validate("lifecycle-action", event)
    launches = event.get("detail-type") == wait_for_node.LAUNCH
    transition = wait_for_node.LAUNCHING if launches else lifecycle_events.TERMINATING
    found = served(event, own, transition, _tags_of(account), _hook_of(account))
    if isinstance(found, Ignored):
        return found
    if launches:
        return wait_for_node.start(event, found.tags, found.hook, own)
    if ignored := lifecycle_events.outdated(event, clock.now(), _state_of(account)):
        return ignored
    start = lifecycle_events.start(event, found.tags, found.hook, own)
    # DescribeExecution grants 250 calls at once and ten a second: a scale-in must not wait for it.
    fresh = sweep.is_fresh(event, clock.now())
    if not fresh and (ignored := _swept_before(event, own, account)):
        return ignored
    claims = _claims(own.state_machine_arn, account)
    instance = start.document["instanceId"]
    return claims.unless_swept(instance, start, lambda: _swept_before(event, own, account))


def _claims(machine: str, account: Aws) -> Claims:
    return Claims(machine, account, connections.claim, clock.now() + PATIENCE_S)


def _state_of(account: Aws) -> Callable[[str, str], str | None]:
    def ask(group: str, instance: str) -> str | None:
        members = (member for found in account.groups([group]) for member in sweep.lifecycle_states(found))
        return dict(members).get(instance)

    return ask


def _tags_of(account: Aws) -> Callable[[str], dict[str, str] | None]:
    def ask(group: str) -> dict[str, str] | None:
        found: dict[str, str] | None = connections.shared(
            f"group/{group}", GROUP_KEPT_S, lambda: account.tags_of_group(group), put=True
        )
        return found

    return ask


def _hook_of(account: Aws) -> Callable[[str, str], dict[str, Any] | None]:
    def ask(group: str, hook: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = connections.shared(
            f"hook/{group}/{hook}", GROUP_KEPT_S, lambda: account.hook_of_group(group, hook), put=True
        )
        return found

    return ask


def _swept_before(event: dict[str, Any], own: settings.IntakeSettings, account: Aws) -> Ignored | None:
    instance = event["detail"]["EC2InstanceId"]
    try:
        for number in range(1, sweep.MOST_SWEPT_WAITS + 1):
            name = lifecycle_events.swept_name(instance, number)
            swept_at = account.started_at(own.state_machine_arn, name)
            if swept_at is None or (ignored := sweep.covered(event, name, swept_at)):
                return None if swept_at is None else ignored
    except DrainError as error:
        # A second drain of one instance changes nothing; one that is not started is lost.
        LOG.warning(f"Whether the sweep was faster is unknown: {error}")
    return None
