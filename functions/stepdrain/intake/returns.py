"""Nodes to be given back: their drain is over, and their instance serves again.

Three kinds of drain leave an instance behind that goes on: a root volume is replaced, the instance goes to a
warm pool and comes back, or EC2 maintains its host. A launch event may ask for AdmitNode then, which undoes
label and cordon. None is documented for a replaced root volume
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/replace-root-volume.html), and any may be lost. So the
sweep looks for instances that are InService although their newest drain has ended:

    the drain's action led back to the group or into the warm pool    given back
    it led to EC2, or there was no action (spot, rebalance, by hand)  left: somebody wants the node empty
    AdmitNode has started since the drain ended                       left: it is given back already

AdmitNode undoes only what a drain of ours has set (stepdrain.states.uncordon.undo).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from stepdrain.intake.lifecycle_events import OPEN, Start, drains_of
from stepdrain.intake.settings import IntakeSettings

REASON = "return"
ADMIT_NODE = "AdmitNode"
IN_SERVICE = "InService"
SURVIVED = ("AutoScalingGroup", "WarmPool")
"""Destinations of a lifecycle action from which an instance comes to serve again."""


class Account(Protocol):
    """What is asked of the AWS adapter."""

    def executions(self, state_machine_arn: str, since: float) -> Iterable[Mapping[str, Any]]: ...
    def execution(self, state_machine_arn: str, name: str) -> Mapping[str, Any] | None: ...


def returned(
    in_service: Iterable[str],
    drains: Sequence[Mapping[str, Any]],
    account: Account,
    settings: IntakeSettings,
    since: float,
) -> list[Start]:
    """AdmitNode's executions for those of the instances ``in_service`` that are to be given back.

    ``drains`` are DrainNode's executions with ``name``, ``status``, ``startDate`` and ``stopDate``, those
    that ended last first, as far back as ``since`` (epoch seconds).
    """
    ended = {instance: drain for instance in in_service if (drain := _ended(instance, drains))}
    if not ended:
        return []
    admissions = list(account.executions(settings.admit_state_machine_arn, since))
    starts = (_start(instance, drain, admissions, account, settings) for instance, drain in ended.items())
    return [start for start in starts if start]


def _ended(instance: str, drains: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The instance's newest drain; None if there is none, or one is running."""
    own = drains_of(instance, drains)
    return own[0] if own and not any(execution["status"] in OPEN for execution in own) else None


def _start(
    instance: str,
    drain: Mapping[str, Any],
    admissions: Iterable[Mapping[str, Any]],
    account: Account,
    settings: IntakeSettings,
) -> Start | None:
    if any(execution["startDate"] >= drain["stopDate"] for execution in drains_of(instance, admissions)):
        return None
    described = account.execution(settings.state_machine_arn, drain["name"])
    document = described["document"] if described else {}
    if (document.get("lifecycle") or {}).get("destination") not in SURVIVED:
        return None
    return start(drain["name"], document)


def start(drain: str, document: Mapping[str, Any]) -> Start:
    """The execution that gives back the node of the drain called ``drain``; ``document`` is that one's."""
    instance = document["instanceId"]
    kept = {key: document[key] for key in ("instanceId", "cluster", "policy") if key in document}
    name = f"{instance}-{REASON}-{drain.removeprefix(f'{instance}-')}"
    return Start(name[:80], {**kept, "reason": REASON, "lifecycle": None}, ADMIT_NODE)


CALLED_OFF = "EventCalledOff"
"""The error of a drain that is stopped because what it was for does not happen; nobody is notified of it."""


class Drains(Protocol):
    """What is asked of the AWS adapter to undo a drain."""

    def execution(self, state_machine_arn: str, name: str) -> Mapping[str, Any] | None: ...
    def stop_execution(self, state_machine_arn: str, name: str, error: str, cause: str) -> None: ...


def undo(name: str, account: Drains, settings: IntakeSettings, cause: str) -> Start | None:
    """AdmitNode's execution that undoes the drain called ``name``, which is stopped first if it runs.

    None if there is no such drain. ``cause`` is a sentence for whoever looks at the stopped drain.
    """
    found = account.execution(settings.state_machine_arn, name)
    if found is None:
        return None
    if found["status"] in OPEN:
        account.stop_execution(settings.state_machine_arn, name, CALLED_OFF, cause)
    return start(name, found["document"])
