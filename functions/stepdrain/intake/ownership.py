"""Whose is an instance, and is its drain to be started? For whatever comes without a group's hook.

An instance is ours by its EC2 tags: Auto Scaling writes its group, the cluster's installer
kubernetes.io/cluster/NAME, and EKS and Karpenter mark what they drain themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from stepdrain import clock
from stepdrain.errors import InvalidEvent
from stepdrain.intake.envelope import Ignored
from stepdrain.intake.interruption_events import Notice
from stepdrain.intake.lifecycle_events import (
    CLUSTER_TAG_PREFIX,
    HELD,
    Start,
    cluster_of,
    foreign_group,
    noted,
    serves,
    timeouts,
)
from stepdrain.intake.settings import IntakeSettings
from stepdrain.rules import deadline
from stepdrain.rules.policy import Policy, with_tags

GROUP_TAG = "aws:autoscaling:groupName"
# https://karpenter.sh/docs/concepts/nodepools/, and before v1beta1
KARPENTER_TAGS = ("karpenter.sh/nodepool", "karpenter.sh/provisioner-name")
MANUAL = "manual"
"""The reason of a drain that a person starts; a document without a reason is one, too."""


class Account(Protocol):
    """What is asked of the AWS adapter."""

    def instance_tags(self, ids: Iterable[str]) -> dict[str, dict[str, str]]: ...
    def instances_in(self, reservation: str) -> dict[str, dict[str, str]]: ...
    def tags_of_group(self, group: str) -> dict[str, str] | None: ...
    def hook(self, group: str, name: str) -> dict[str, Any]: ...
    def lifecycle_state(self, instance_id: str) -> str: ...
    def address_of(self, instance_id: str) -> Mapping[str, str]: ...
    def executions_of(
        self, state_machine_arn: str, instance_id: str, status: str
    ) -> Sequence[Mapping[str, Any]]: ...


@dataclass(frozen=True)
class Enrolment:
    """An instance of ours: cluster, group ("" if it has none), policy, and what to warn about."""

    cluster: str
    group: str
    policy: Policy
    warnings: tuple[str, ...] = ()


def enrol(
    instance_id: str, tags: Mapping[str, str] | None, account: Account, settings: IntakeSettings
) -> Enrolment | Ignored:
    """Where the instance with these EC2 tags (None: EC2 does not know it) belongs, or why it is not ours.

    A group's own tags decide on the policy, as they do for its lifecycle events; those of the
    instance where it is in no group, or the group is gone.
    """
    if tags is None:
        return Ignored(f"EC2 does not know instance {instance_id} in this account and region.")
    if ignored := foreign_instance(instance_id, tags, settings):
        return ignored
    group = tags.get(GROUP_TAG, "")
    of_group = account.tags_of_group(group) if group else None
    policy, problems = with_tags(settings.policy, tags if of_group is None else of_group)
    return Enrolment(cluster_of(tags, settings), group, policy, tuple(problems))


def foreign_instance(instance_id: str, tags: Mapping[str, str], settings: IntakeSettings) -> Ignored | None:
    """Why the instance with these EC2 tags is not ours; None if it is."""
    if not any(key.startswith(CLUSTER_TAG_PREFIX) for key in tags):
        return Ignored(f"Instance {instance_id} has no tag {CLUSTER_TAG_PREFIX}…: it is in no cluster.")
    if any(key in tags for key in KARPENTER_TAGS):
        return Ignored(f"Instance {instance_id} is Karpenter's, which drains its nodes itself.")
    group = tags.get(GROUP_TAG, "")
    if not serves(settings, group):
        place = f"in group {group}" if group else "in no Auto Scaling group"
        return Ignored(f"Instance {instance_id} is {place}, which this installation does not serve.")
    return foreign_group(tags, settings)


def starts(notice: Notice, account: Account, settings: IntakeSettings) -> dict[str, Start | Ignored]:
    """For each instance that the notice means: the execution to start, or why none."""
    if notice.reservation:
        tags = account.instances_in(notice.reservation)
        meant = tuple(tags)
    else:
        tags, meant = account.instance_tags(notice.instances), notice.instances
    return {instance: _start(notice, instance, tags.get(instance), account, settings) for instance in meant}


def _start(
    notice: Notice,
    instance_id: str,
    tags: Mapping[str, str] | None,
    account: Account,
    settings: IntakeSettings,
) -> Start | Ignored:
    ours = enrol(instance_id, tags, account, settings)
    if isinstance(ours, Ignored):
        return ours
    document: dict[str, Any] = {
        "instanceId": instance_id,
        "cluster": ours.cluster,
        "reason": notice.reason,
        "policy": ours.policy.to_document(),
        # EC2 was asked already: FindNode need not ask again.
        **account.address_of(instance_id),
        **noted(ours.warnings),
    }
    if notice.ends_at is not None:
        document["endsAt"] = clock.to_rfc3339(notice.ends_at)
    name = notice.execution(instance_id)
    return _covered(notice, instance_id, name, account, settings) or Start(name, document)


def _covered(
    notice: Notice, instance_id: str, name: str, account: Account, settings: IntakeSettings
) -> Ignored | None:
    """Why no further execution is needed; None if one is (or if this very one runs, which is no second)."""
    machine = settings.state_machine_arn
    for execution in account.executions_of(machine, instance_id, "RUNNING"):
        if execution["name"] != name and not _shorter(notice, execution):
            return Ignored(
                f"Instance {instance_id} is being drained already, by execution {execution['name']}."
            )
    if notice.reason == "state-change":
        # Every ordinary end of an instance sends this event too, when its drain is over.
        for execution in account.executions_of(machine, instance_id, "SUCCEEDED"):
            return Ignored(f"Instance {instance_id} was drained by execution {execution['name']}.")
    return None


def _shorter(notice: Notice, running: Mapping[str, Any]) -> bool:
    """Whether the notice leaves less time than the running execution believes to have.

    ``running`` is an execution with ``startedAt``, ``redrivenAt`` (RFC 3339) and ``document``.
    """
    if notice.ends_at is None:
        return False
    document = running["document"]
    execution = {"StartTime": running["startedAt"], "RedriveTime": running.get("redrivenAt")}
    policy = Policy.from_document(document.get("policy") or {})
    ends_at = clock.to_epoch_s(document["endsAt"]) if document.get("endsAt") else None
    hook = deadline.hook_of(document.get("lifecycle"))
    until = deadline.drain_deadline(execution, policy, hook, ends_at)
    return notice.ends_at - deadline.INTERRUPTION_MARGIN_S < until


def started_by_hand(document: Mapping[str, Any]) -> bool:
    """Whether a person wrote the document: StartDrain gives every drain a reason of its own."""
    return document.get("reason") in (None, MANUAL)


def by_hand(document: Mapping[str, Any], account: Account, settings: IntakeSettings) -> dict[str, Any]:
    """What StartDrain would have written, for a drain started without it: ``{"instanceId": "i-…"}`` will do.

    What the document says itself stays, policy by policy. Raises InvalidEvent if the instance is not
    ours, or is of another cluster than the document says.
    """
    said = {key: value for key, value in document.items() if value is not None}
    own: dict[str, Any]
    if "instanceId" not in said:
        own = {"cluster": settings.cluster, "policy": settings.policy.to_document(), "lifecycle": None}
    else:
        own = _enrolled_by_hand(said["instanceId"], account, settings)
        where = own["cluster"]
        if said.get("cluster", where) != where:
            what = f"Instance {said['instanceId']} belongs to cluster {where}, not to {said['cluster']}."
            raise InvalidEvent(f"{what} Nothing was drained.")
    policy = {**own["policy"], **said.get("policy", {})}
    return {"reason": MANUAL, **own, **said, "policy": policy}


def _enrolled_by_hand(instance_id: str, account: Account, settings: IntakeSettings) -> dict[str, Any]:
    ours = enrol(instance_id, account.instance_tags([instance_id]).get(instance_id), account, settings)
    if isinstance(ours, Ignored):
        raise InvalidEvent(f"{ours.reason} Nothing was drained.")
    return {
        "cluster": ours.cluster,
        "policy": ours.policy.to_document(),
        "lifecycle": lifecycle_of(instance_id, ours.group, account, settings),
        **noted(ours.warnings),
    }


def lifecycle_of(
    instance_id: str, group: str, account: Account, settings: IntakeSettings
) -> dict[str, Any] | None:
    """The lifecycle action by which our hook holds the instance now, without its token; None if it does not.

    The instance id stands for the token, which no API returns afterwards (stepdrain.adapters.aws).
    """
    held = HELD.get(account.lifecycle_state(instance_id)) if group else None
    if held is None:
        return None
    origin, destination = held
    return {
        "group": group,
        "hook": settings.hook_name,
        **timeouts(account.hook(group, settings.hook_name)),
        "origin": origin,
        "destination": destination,
    }
