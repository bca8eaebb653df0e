"""The sweep: instances that wait behind our hook although no event has started their drain.

EventBridge delivers Auto Scaling's events on a best effort basis
(https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-autoscaling.html). A lost one would
leave an instance in Terminating:Wait until its hook's time is over, and then kill its pods.

Two ways lead to one drain, and neither may start a second one:

    sweep after event    an execution of this wait that is named after the instance exists: it is left
                         alone, whatever its status. One that failed waits for a person, and starting
                         another would hide that.
    event after sweep    StartDrain asks for the sweep's execution (``covered``), unless the event is so
                         fresh that no sweep can have seen the wait.
    two sweeps           both use one name, which Step Functions gives once.
    both at once         who claims the instance first starts it (stepdrain.intake.claim).

Which executions are of this wait:

    runs                                       yes, whenever it started; if it does not complete the
                                               lifecycle action, a later sweep finds it closed
    closed, started before the wait began      no: an instance can come back from a warm pool, or with a
                                               new root volume, and be terminated later
    closed without a lifecycle action          no: a spot notice's drain, say, completes none
    any other                                  yes

ListExecutions is eventually consistent. So an instance without an execution is left alone for its first
minute, in which its event is on its way, and a name that is taken is looked up before it counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from stepdrain import clock
from stepdrain.errors import AwsRejected
from stepdrain.intake import envelope, lifecycle_events, maintenance, ownership, returns
from stepdrain.intake.claim import Claims
from stepdrain.intake.envelope import Ignored
from stepdrain.intake.lifecycle_events import HELD, OPEN, Start, drains_of
from stepdrain.intake.settings import IntakeSettings
from stepdrain.rules.reasons import counted

RETAINED = "Terminating:Retained"
LONGEST_WAIT_S = 172_800
"""An instance waits 48 h at most, so an execution that ended earlier belongs to an earlier action of it
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html)."""
FEWEST_STARTS = 100
"""Executions one sweep may start in any case: a small part of the 800 that StartExecution allows at once
(https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html)."""
SKEW_S = 10
"""Two services' clocks may disagree by this much about which came first. An instance that comes back from a
warm pool waits again no sooner after its drain began."""
ON_ITS_WAY_S = 60
"""An event is delivered, and the execution it starts is listed, within this time."""
ON_ITS_WAY = "it has just begun to wait; its event is on its way"
MOST_SWEPT_WAITS = 9
"""Waits of one instance in 90 days, for which a name is taken, that may lose their events."""
STATUS = {
    "RUNNING": "its drain is running",
    "PENDING_REDRIVE": "its drain is about to be redriven",
    "SUCCEEDED": "its drain is done; another hook may hold it",
    "FAILED": "its drain failed and waits for a redrive",
    "TIMED_OUT": "its drain timed out and waits for a redrive",
    "ABORTED": "its drain was stopped by somebody and waits for a redrive",
}


@dataclass(frozen=True)
class Left:
    """An instance that is not swept, and why, as a phrase; ``needs_help``: a person should look."""

    instance: str
    reason: str
    needs_help: bool


@dataclass
class Found:
    """What one sweep came to."""

    started: list[str] = field(default_factory=list)
    """Names of the executions that were started for instances that wait."""
    maintained: list[str] = field(default_factory=list)
    """Names of the executions that were started for maintenance that begins soon."""
    returned: list[str] = field(default_factory=list)
    """Names of the executions of AdmitNode that give nodes back."""
    left: list[Left] = field(default_factory=list)
    members: dict[str, list[str]] = field(default_factory=dict)
    """Ids of the instances of each group that was looked at."""
    target_groups: dict[str, list[str]] = field(default_factory=dict)
    """ARNs of the target groups that are attached to each group."""
    warnings: list[str] = field(default_factory=list)
    """Sentences about tags and groups that cannot be used."""

    def to_document(self) -> dict[str, Any]:
        """Names of what was started and given back; by instance, why the others were left."""
        left = {left_alone.instance: left_alone.reason for left_alone in self.left}
        return {"started": [*self.started, *self.maintained], "returned": self.returned, "left": left}


class Account(ownership.Account, returns.Drains, Protocol):
    """What is asked of the AWS adapter."""

    def groups(self, names: Sequence[str]) -> Iterable[Mapping[str, Any]]: ...
    def in_progress_since(self, group: str) -> Mapping[str, float]: ...
    def executions(self, state_machine_arn: str, since: float) -> Sequence[Mapping[str, Any]]: ...
    def scheduled_events(self, codes: Sequence[str]) -> Iterable[maintenance.Scheduled]: ...
    def start_execution(self, state_machine_arn: str, name: str, document: Mapping[str, Any]) -> bool: ...


@dataclass(frozen=True)
class Wait:
    """An instance that a terminating hook holds, ours or another's."""

    instance: str
    state: str
    """Its lifecycle state, a key of HELD."""
    since: float | None
    """Epoch seconds at which its activity began; None if Auto Scaling shows none."""


def sweep(
    settings: IntakeSettings, account: Account, claims: Claims, now: float, interval_s: int = 300
) -> Found:
    """Start what waits without a drain, and give back what serves again after one.

    Two requests if nothing does, for 50 groups and 1,000 executions. ``now`` is in epoch seconds,
    ``interval_s`` is from one sweep to the next; ``claims`` claims an instance before its start. A group
    whose hook cannot be read is left, with a warning. Raises AwsThrottled, AwsUnavailable or AwsDenied: what
    was started until then is started, and the next sweep goes on.
    """
    groups = [g for g in account.groups(settings.group_names) if ours(g, settings)]
    found = Found(left=[left for group in groups for left in retained(group)])
    for group in groups:
        found.members[group["AutoScalingGroupName"]] = [instance for instance, _ in lifecycle_states(group)]
        found.target_groups[group["AutoScalingGroupName"]] = list(group.get("TargetGroupARNs", ()))
    since = now - LONGEST_WAIT_S
    drains = account.executions(settings.state_machine_arn, since) if groups else []
    for group in groups:
        waits = _unless_running(held(group), drains, found)
        lost = _lost(group, waits, drains, account, settings, now, found) if waits else []
        if lost:
            _start_all(group, lost, settings, account, claims, found, interval_s)
    if settings.drain_on_maintenance:
        _maintain(drains, settings, account, now, interval_s, found)
    serving = [
        instance
        for group in groups
        for instance, state in lifecycle_states(group)
        if state == returns.IN_SERVICE
    ]
    for start in returns.returned(serving, drains, account, settings, since):
        if account.start_execution(settings.admit_state_machine_arn, start.name, start.document):
            found.returned.append(start.name)
    return found


def _maintain(
    drains: Sequence[Mapping[str, Any]],
    settings: IntakeSettings,
    account: Account,
    now: float,
    interval_s: int,
    found: Found,
) -> None:
    events = list(account.scheduled_events(maintenance.CODES))
    for notice in maintenance.due(maintenance.scheduled(events), now, interval_s):
        for decision in ownership.starts(notice, account, settings).values():
            if isinstance(decision, Start) and _started(decision, settings, account):
                found.maintained.append(decision.name)
    for name, runs in maintenance.over(drains, events):
        cause = "The maintenance that it was for is over, or was called off."
        start = returns.undo(name, account, settings, cause)
        if start and account.start_execution(settings.admit_state_machine_arn, start.name, start.document):
            found.returned.append(start.name)
            found.warnings.extend([f"{name} was stopped: {cause}"] if runs else [])


def _started(start: Start, settings: IntakeSettings, account: Account) -> bool:
    return account.start_execution(settings.state_machine_arn, start.name, start.document)


def _unless_running(
    states: Mapping[str, str], drains: Sequence[Mapping[str, Any]], found: Found
) -> dict[str, str]:
    closed = {}
    for instance, state in states.items():
        running = next(
            (execution for execution in drains_of(instance, drains) if execution["status"] in OPEN), None
        )
        if running:
            found.left.append(judged(instance, str(running["status"])))
        else:
            closed[instance] = state
    return closed


def _lost(
    group: Mapping[str, Any],
    states: Mapping[str, str],
    drains: Sequence[Mapping[str, Any]],
    account: Account,
    settings: IntakeSettings,
    now: float,
    found: Found,
) -> list[Wait]:
    """The instances without a drain of this wait, those that have waited longest first."""
    since = account.in_progress_since(group["AutoScalingGroupName"])
    lost = []
    for instance, state in states.items():
        wait = Wait(instance, state, since.get(instance))
        known = partial(account.execution, settings.state_machine_arn)
        status = status_of(wait, drains_of(instance, drains), known)
        if status is not None:
            found.left.append(judged(instance, status))
        elif wait.since is not None and now < wait.since + ON_ITS_WAY_S:
            found.left.append(Left(instance, ON_ITS_WAY, False))
        else:
            lost.append(wait)
    return sorted(lost, key=lambda wait: wait.since or 0.0)


def _start_all(
    group: Mapping[str, Any],
    lost: Sequence[Wait],
    settings: IntakeSettings,
    account: Account,
    claims: Claims,
    found: Found,
    interval_s: int,
) -> None:
    name = group["AutoScalingGroupName"]
    try:
        hook = account.hook(name, settings.hook_name)
    except AwsRejected as error:
        waiting = counted(len(lost), "instance")
        found.warnings.append(f"Group {name}: {waiting} waiting, but not for this installation: {error}")
        return
    most = starts_at_once(len(lost), interval_s, hook["HeartbeatTimeout"])
    for wait in lost[:most]:
        _start(group, wait, hook, settings, account, claims, found)
    for wait in lost[most:]:
        reason = f"one sweep starts {most} of this group; it is left to the next"
        found.left.append(Left(wait.instance, reason, False))


def starts_at_once(lost: int, interval_s: int, heartbeat_timeout_s: int) -> int:
    """How many of ``lost`` instances one sweep starts: all are to be started in half the hook's time."""
    sweeps = max(1, heartbeat_timeout_s // 2 // interval_s)
    return max(FEWEST_STARTS, math.ceil(lost / sweeps))


def _start(
    group: Mapping[str, Any],
    wait: Wait,
    hook: Mapping[str, Any],
    settings: IntakeSettings,
    account: Account,
    claims: Claims,
    found: Found,
) -> None:
    instance, arn = wait.instance, settings.state_machine_arn
    for number in range(1, MOST_SWEPT_WAITS + 1):
        start = lifecycle_events.start_swept(
            instance,
            group["AutoScalingGroupName"],
            tags_of(group),
            hook,
            settings,
            number,
            HELD[wait.state],
        )
        # The list of executions may be old by now.
        if (holder := claims.holder(instance, start.name)) != start.name:
            found.left.append(Left(instance, f"execution {holder} has claimed it", False))
            return
        if _started_as_claimed(start, settings, account, claims):
            found.started.append(start.name)
            found.warnings.extend(start.warnings)
            return
        # The list did not show it: it is younger than the list, or ended long ago.
        known = account.execution(arn, start.name)
        if known is None or wait.since is None or _is_of(wait, known):
            break
    found.left.append(Left(instance, _taken(start, wait, known), wait.since is None))


def _started_as_claimed(start: Start, settings: IntakeSettings, account: Account, claims: Claims) -> bool:
    """Whether the execution was started; otherwise the claim is given back."""
    started = False
    try:
        started = _started(start, settings, account)
    finally:
        if not started:
            claims.give_back(start.document["instanceId"], start.name)
    return started


def _taken(start: Start, wait: Wait, known: Mapping[str, Any] | None) -> str:
    if wait.since is None:
        return f"{start.name} has been there before, and since when it waits is unknown: start it by hand"
    return STATUS.get(str(known["status"]) if known else "", f"{start.name} has just been started")


def ours(group: Mapping[str, Any], settings: IntakeSettings) -> bool:
    """Whether the group is one whose events StartDrain would take."""
    served = lifecycle_events.serves(settings, group["AutoScalingGroupName"])
    return served and lifecycle_events.foreign_group(tags_of(group), settings) is None


def tags_of(group: Mapping[str, Any]) -> dict[str, str]:
    """A group's tags by their keys."""
    return {tag["Key"]: tag.get("Value", "") for tag in group.get("Tags", ())}


def held(group: Mapping[str, Any]) -> dict[str, str]:
    """Lifecycle states, by id, of the group's instances that a terminating hook holds, ours or another's."""
    return {instance: state for instance, state in lifecycle_states(group) if state in HELD}


def retained(group: Mapping[str, Any]) -> list[Left]:
    """The group's instances that an abandoned action left running; no action waits for anybody there."""
    reason = "it is retained: look at it, then terminate it"
    return [Left(instance, reason, True) for instance, state in lifecycle_states(group) if state == RETAINED]


def lifecycle_states(group: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Ids and lifecycle states of the group's instances, as DescribeAutoScalingGroups shows them."""
    for instance in group.get("Instances", ()):
        yield instance["InstanceId"], instance["LifecycleState"]


def status_of(wait: Wait, drains: Iterable[Mapping[str, Any]], known: Any) -> str | None:
    """The status of the newest closed drain of this wait; None if there is none.

    ``drains`` are the instance's, those that ended last first, with ``startDate``; ``known`` gives an
    execution with its ``document`` by its name.
    """
    for drain in drains:
        if wait.since is not None and drain["startDate"].timestamp() < wait.since - SKEW_S:
            continue
        if lifecycle_events.names_an_action(drain["name"], wait.instance):
            return str(drain["status"])
        execution = known(drain["name"])
        if execution is not None and _completes_an_action(execution["document"]):
            return str(drain["status"])
    return None


def _completes_an_action(document: Mapping[str, Any]) -> bool:
    """Whether a drain that was started while its instance waited completes the action.

    One by hand does, if FindNode has come so far: it fills in what our hook waits for.
    """
    return bool(document.get("lifecycle")) or document.get("reason") in (None, "manual")


def _is_of(wait: Wait, execution: Mapping[str, Any]) -> bool:
    """Whether an execution of one of the sweep's own names is of this wait."""
    began = clock.to_epoch_s(execution["startedAt"])
    return execution["status"] in OPEN or wait.since is None or began >= wait.since - SKEW_S


def judged(instance: str, status: str) -> Left:
    """Why an instance with an execution of this status is left alone."""
    needs_help = status in ("FAILED", "TIMED_OUT", "ABORTED")
    return Left(instance, STATUS.get(status, f"its drain is {status}"), needs_help)


def covered(event: Mapping[str, Any], name: str, swept_at: float | None) -> Ignored | None:
    """Whether the sweep has started the drain that ``event`` asks for; None if StartDrain has to.

    ``swept_at``: when the sweep's execution called ``name`` started (epoch seconds), None if there
    is none. An event older than that is of the action the sweep saw. A newer one is of another
    action: an instance that was retained, or came back from a warm pool, is terminated once more.
    """
    sent_at = envelope.sent_at(event)
    if swept_at is None or sent_at is None or sent_at > swept_at + SKEW_S:
        return None
    return Ignored(f"The sweep has started this drain: {name}. The event came late.")


def is_fresh(event: Mapping[str, Any], now: float) -> bool:
    """Whether no sweep can have seen the wait that ``event`` announces, at ``now`` (epoch seconds).

    A sweep leaves an instance alone for the first minute of its wait (ON_ITS_WAY_S); half of it is for clocks
    that disagree. False for an event without a time.
    """
    sent_at = envelope.sent_at(event)
    return sent_at is not None and now - sent_at < ON_ITS_WAY_S / 2
