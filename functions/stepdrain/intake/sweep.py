"""The sweep: instances that wait behind our hook although no event has started their drain.

EventBridge delivers Auto Scaling's events on a best effort basis
(https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-autoscaling.html). A lost one would
leave an instance in Terminating:Wait until its hook's time is over, and then kill its pods.

Two ways lead to one drain, and neither may start a second one:

    sweep after event    an execution named after the instance exists: it is left alone, whatever
                         its status. One that failed waits for a person, and starting another
                         would hide that.
    event after sweep    StartDrain asks for the sweep's execution (``covered``).
    two sweeps           both use one name, which Step Functions gives once.

What is left is the moment in which ListExecutions does not show yet what StartExecution has just
made. Then two drains run side by side, and do what one does: every step is idempotent by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from stepdrain import clock
from stepdrain.errors import AwsRejected
from stepdrain.intake import lifecycle_events
from stepdrain.intake.lifecycle_events import Ignored, Start
from stepdrain.intake.settings import IntakeSettings

WAITING, RETAINED = "Terminating:Wait", "Terminating:Retained"
LONGEST_WAIT_S = 172_800
"""An instance waits 48 h at most, so an older execution belongs to an earlier action of it
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html)."""
MOST_STARTS = 100
"""Executions one sweep starts; the next one goes on. Far below what StartExecution allows at once
(https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html)."""
SKEW_S = 60
"""Two services' clocks may disagree by this much about which came first."""
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
    """Names of the executions that were started."""
    left: list[Left] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """Sentences about tags and groups that cannot be used."""

    def to_document(self) -> dict[str, Any]:
        """Names of what was started; by instance, why the others were left."""
        return {"started": self.started, "left": {one.instance: one.reason for one in self.left}}


class Account(Protocol):
    """What is asked of the AWS adapter."""

    def groups(self, names: Sequence[str]) -> Iterable[Mapping[str, Any]]: ...
    def hook(self, group: str, name: str) -> Mapping[str, Any]: ...
    def executions(self, state_machine_arn: str, since: float) -> Iterable[Mapping[str, Any]]: ...
    def start_execution(self, state_machine_arn: str, name: str, document: Mapping[str, Any]) -> bool: ...


def sweep(settings: IntakeSettings, account: Account, now: float) -> Found:
    """Start what waits without a drain. One request for 50 groups; others only if an instance waits.

    ``now`` is in epoch seconds. A group whose hook cannot be read is left, with a warning. Raises
    AwsThrottled, AwsUnavailable or AwsDenied: what was started until then is started, and the
    next sweep goes on.
    """
    groups = [g for g in account.groups(settings.group_names) if ours(g, settings)]
    found = Found(left=[left for group in groups for left in retained(group)])
    if not any(waiting(group) for group in groups):
        return found
    drains = list(account.executions(settings.state_machine_arn, now - LONGEST_WAIT_S))
    for group in groups:
        lost = []
        for instance in waiting(group):
            status = status_of(instance, drains)
            if status is None:
                lost.append(instance)
            else:
                found.left.append(judged(instance, status))
        if lost:
            _start_all(group, lost, settings, account, found)
    return found


def _start_all(
    group: Mapping[str, Any], lost: Sequence[str], settings: IntakeSettings, account: Account, found: Found
) -> None:
    name = group["AutoScalingGroupName"]
    try:
        hook = account.hook(name, settings.hook_name)
    except AwsRejected as error:
        found.warnings.append(f"{len(lost)} instances of {name} wait, but not for this installation: {error}")
        return
    for instance in lost:
        if len(found.started) >= MOST_STARTS:
            found.left.append(
                Left(instance, f"one sweep starts {MOST_STARTS}; it is left to the next", False)
            )
            continue
        start = lifecycle_events.start_swept(instance, name, tags_of(group), hook, settings)
        _start(start, instance, settings, account, found)


def _start(start: Start, instance: str, settings: IntakeSettings, account: Account, found: Found) -> None:
    if account.start_execution(settings.state_machine_arn, start.name, start.document):
        found.started.append(start.name)
        found.warnings.extend(start.warnings)
    else:
        found.left.append(Left(instance, f"{start.name} has been there before: start it by hand", True))


def ours(group: Mapping[str, Any], settings: IntakeSettings) -> bool:
    """Whether the group is one whose events StartDrain would take."""
    served = lifecycle_events.serves(settings, group["AutoScalingGroupName"])
    return served and lifecycle_events.foreign_group(tags_of(group), settings) is None


def tags_of(group: Mapping[str, Any]) -> dict[str, str]:
    """A group's tags by their keys."""
    return {tag["Key"]: tag.get("Value", "") for tag in group.get("Tags", ())}


def waiting(group: Mapping[str, Any]) -> list[str]:
    """Ids of the group's instances that a terminating hook holds, ours or another's."""
    return list(_in_state(group, WAITING))


def retained(group: Mapping[str, Any]) -> list[Left]:
    """The group's instances that an abandoned action left running; no action waits for anybody there."""
    reason = "it is retained: look at it, then terminate it"
    return [Left(instance, reason, True) for instance in _in_state(group, RETAINED)]


def _in_state(group: Mapping[str, Any], state: str) -> Iterator[str]:
    for instance in group.get("Instances", ()):
        if instance["LifecycleState"] == state:
            yield instance["InstanceId"]


def status_of(instance: str, drains: Iterable[Mapping[str, Any]]) -> str | None:
    """The status of the instance's newest execution, None if it has none; ``drains``: newest first.

    One that runs counts before any other, since a redrive makes an old one run again.
    """
    statuses = [str(one["status"]) for one in drains if one["name"].startswith(f"{instance}-")]
    return "RUNNING" if "RUNNING" in statuses else next(iter(statuses), None)


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
    sent_at = _sent_at(event)
    if swept_at is None or sent_at is None or sent_at > swept_at + SKEW_S:
        return None
    return Ignored(f"The sweep has started this drain: {name}. The event came late.")


def _sent_at(event: Mapping[str, Any]) -> float | None:
    try:
        return clock.to_epoch_s(event["time"])
    except (KeyError, ValueError, AttributeError, TypeError):
        return None
