"""The drain policy: what the owner of a node group can choose, and where each value comes from.

The installation's parameters (environment variables) set the policy, the tags of the
Auto Scaling group override it, and the execution's input carries it, so that a drain
keeps the policy it began with. The switches are those of kubectl drain. Their defaults
assume that the instance terminates anyway: refusing to evict a pod would not save it.

Each setting has one name in four spellings: ``drain_timeout`` here, ``drainTimeout`` in the input,
``STEPDRAIN_DRAIN_TIMEOUT`` in the environment, ``stepdrain:drain-timeout`` as a tag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from stepdrain.errors import InvalidSettings

# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
LONGEST_DELAY_S = 3600
"""The longest deregistration delay that a target group can have; a classic load balancer's is as long."""
LONGEST_SETTLE_S = 120
"""A longer one, and a state in trouble before or after it, would not fit between two heartbeats."""
ON_TIMEOUT = ("fail", "force", "continue", "abandon", "force-or-fail")
ROLL = ("off", "annotated", "singletons", "blocked")
OVERDUE_PODS = ("wait", "give-up")


@dataclass(frozen=True)
class Policy:
    """What the owner of a node group decides about its drains."""

    drain_timeout: int = 3600
    """Seconds a drain may take, from its start or redrive; Auto Scaling caps it at 48 h."""
    on_timeout: str = "fail"
    """Then: fail (hold the instance, call somebody), force (pods go in time for it, and the instance a minute
    later), force-or-fail (the same, and the instance is held if pods are left), continue or abandon."""
    batch_size: int = 120
    """The most evictions that one EvictBatch attempt sends."""
    evict_unmanaged: bool = True
    """Evict pods that no controller will recreate (kubectl drain --force)."""
    delete_emptydir_data: bool = True
    """Evict pods with emptyDir volumes, whose data is lost (--delete-emptydir-data)."""
    evict_daemonsets: bool = False
    """Evict DaemonSet pods too, after all others; their controller recreates them."""
    grace_period: int = -1
    """Seconds of grace for each pod; -1 uses the pod's own (--grace-period)."""
    stuck_after: int = 300
    """Seconds past a pod's grace after which the drain stops waiting for it, if the kubelet is gone."""
    overdue_pods: str = "wait"
    """What becomes of a pod that is five minutes later still there, on a Ready node: wait, or give-up
    (--skip-wait-for-delete-timeout)."""
    wait_for_volumes: bool = True
    """Complete only when the volumes of the evicted pods are detached from the instance."""
    wait_for_targets: str = "auto"
    """Complete only when load balancers have deregistered the instance: auto (however long it takes),
    off, or the most seconds to wait after the last pod."""
    roll: str = "off"
    """Which workloads are restarted instead of evicted: off (none), annotated, singletons or blocked."""
    settle_time: int = 0
    """Seconds between the label and the first eviction, so that load balancers see the label."""
    max_concurrent_drains: int = 0
    """How many drains of the group may evict at the same time; 0: no limit. Needs the lease table."""
    admit_timeout: int = 900
    """Seconds within which a launching instance must become a Ready node."""
    admit_daemonsets: bool = False
    """Whether the DaemonSet pods on a launching instance's node must be ready, too."""

    def to_document(self) -> dict[str, Any]:
        """The policy in the form of the execution's input."""
        return {_camel(name): value for name, value in asdict(self).items()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Policy:
        """The policy from an execution's input; missing settings take their defaults.

        Raises InvalidSettings for an unknown name or an invalid value.
        """
        snake = {_camel(name): name for name in PARSERS}
        return _apply(cls(), {snake.get(name, name): str(value) for name, value in document.items()})


def _integer(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise ValueError
        return value

    parse.__doc__ = f"a whole number from {least} to {most}"
    return parse


def _boolean(text: str) -> bool:
    """true or false"""
    return {"true": True, "false": False}[text.lower()]


def _on_timeout(text: str) -> str:
    """fail, force, force-or-fail, continue or abandon"""
    return ON_TIMEOUT[ON_TIMEOUT.index(text.lower())]


def _roll(text: str) -> str:
    """off, annotated, singletons or blocked"""
    return ROLL[ROLL.index(text.lower())]


def _overdue_pods(text: str) -> str:
    """wait or give-up"""
    return OVERDUE_PODS[OVERDUE_PODS.index(text.lower())]


def _wait_for_targets(text: str) -> str:
    """auto, off, or a whole number of seconds from 1 to 3600"""
    return text.lower() if text.lower() in ("auto", "off") else str(_integer(1, LONGEST_DELAY_S)(text))


# 172,800 s: the longest that a lifecycle action can last, whatever its heartbeats
# (https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html).
PARSERS: dict[str, Callable[[str], Any]] = {
    "drain_timeout": _integer(60, 172_800),
    "on_timeout": _on_timeout,
    "batch_size": _integer(1, 1000),
    "evict_unmanaged": _boolean,
    "delete_emptydir_data": _boolean,
    "evict_daemonsets": _boolean,
    "grace_period": _integer(-1, 172_800),
    "stuck_after": _integer(60, 172_800),
    "overdue_pods": _overdue_pods,
    "wait_for_volumes": _boolean,
    "wait_for_targets": _wait_for_targets,
    "roll": _roll,
    "settle_time": _integer(0, LONGEST_SETTLE_S),
    "max_concurrent_drains": _integer(0, 1000),
    "admit_timeout": _integer(60, 7200),
    "admit_daemonsets": _boolean,
}
ENVIRONMENT = {name: f"STEPDRAIN_{name.upper()}" for name in PARSERS}
TAGS = {name: f"stepdrain:{name.replace('_', '-')}" for name in PARSERS}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _parse(name: str, text: str) -> Any:
    if name not in PARSERS:
        raise InvalidSettings(f"There is no policy {name!r}. Use one of: {', '.join(map(_camel, PARSERS))}.")
    try:
        return PARSERS[name](text.strip())
    except (ValueError, KeyError):
        raise InvalidSettings(
            f"Policy {_camel(name)} cannot be {text!r}: it takes {PARSERS[name].__doc__}."
        ) from None


def _apply(policy: Policy, texts: Mapping[str, str]) -> Policy:
    return replace(policy, **{name: _parse(name, text) for name, text in texts.items()})


def from_environment(environ: Mapping[str, str]) -> Policy:
    """The installation's policy from ``STEPDRAIN_…`` variables; raises InvalidSettings for a bad value."""
    return _apply(Policy(), {name: environ[key] for name, key in ENVIRONMENT.items() if environ.get(key)})


def with_tags(policy: Policy, tags: Mapping[str, str]) -> tuple[Policy, list[str]]:
    """The policy with a group's ``stepdrain:…`` tags applied, and a sentence for each bad tag.

    The group's owner writes the tags. A typing error there must not stop the drain: a bad
    value is reported, and the installation's value is used.
    """
    problems = []
    for name, key in TAGS.items():
        if key not in tags:
            continue
        try:
            policy = _apply(policy, {name: tags[key]})
        except InvalidSettings as error:
            problems.append(f"Tag {key}: {error} Using {getattr(policy, name)}.")
    return policy, problems
