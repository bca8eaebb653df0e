"""How a drain behaves where its owner may choose: one value, and where it comes from.

A policy starts as the installation's parameters (environment variables), is narrowed
by the tags of the Auto Scaling group, and then travels in the execution's input, so
that a drain keeps the policy it began with. The switches are kubectl drain's; their
defaults suit an instance that dies anyway: refusing to evict a pod would not save it.

One spelling serves four places: ``drain_timeout`` here, ``drainTimeout`` in the input,
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
"""More would not fit before the first heartbeat, beside an API that is silent for ten minutes."""
ON_TIMEOUT = ("fail", "force", "continue", "abandon")
ROLL = ("off", "annotated", "singletons", "blocked")


@dataclass(frozen=True)
class Policy:
    """What the owner of a node group decides about its drains."""

    drain_timeout: int = 3600
    """Seconds a drain may take, from its start or redrive; Auto Scaling caps it at 48 h."""
    on_timeout: str = "fail"
    """After that: fail (hold the instance, call somebody), force, continue or abandon."""
    batch_size: int = 120
    """Evictions one EvictBatch attempt may send."""
    evict_unmanaged: bool = True
    """Evict pods that no controller will put back (kubectl drain --force)."""
    delete_emptydir_data: bool = True
    """Evict pods with emptyDir volumes, whose data is lost (--delete-emptydir-data)."""
    evict_daemonsets: bool = False
    """Evict DaemonSet pods too, after all others; their controller puts them back."""
    grace_period: int = -1
    """Seconds of grace for each pod; -1 leaves each pod its own (--grace-period)."""
    stuck_after: int = 300
    """Seconds past its grace after which a pod is given up, if its node's kubelet no longer answers."""
    wait_for_volumes: bool = True
    """Complete only when the volumes of the evicted pods are detached from the instance."""
    wait_for_targets: str = "auto"
    """Complete only when load balancers have let go of the instance: auto (until they have), off, or
    for at most so many seconds after the last pod."""
    roll: str = "off"
    """Workloads that are restarted instead of evicted: off, annotated, singletons or blocked."""
    settle_time: int = 0
    """Seconds between the label and the first eviction, for load balancers to notice."""
    max_concurrent_drains: int = 0
    """Drains of the group that may evict at the same time; 0: no limit. Needs the stack's lease table."""
    admit_timeout: int = 900
    """Seconds within which a launching instance must have become a node that is Ready."""
    admit_daemonsets: bool = False
    """A launching instance's node must have its DaemonSets' pods ready, too."""

    def to_document(self) -> dict[str, Any]:
        """The policy as it stands in the execution's input."""
        return {_camel(name): value for name, value in asdict(self).items()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Policy:
        """The policy in an execution's input; what is absent takes its default.

        Raises InvalidSettings for a name that is no policy or a value it cannot have.
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
    """fail, force, continue or abandon"""
    return ON_TIMEOUT[ON_TIMEOUT.index(text.lower())]


def _roll(text: str) -> str:
    """off, annotated, singletons or blocked"""
    return ROLL[ROLL.index(text.lower())]


def _wait_for_targets(text: str) -> str:
    """auto, off, or a whole number of seconds from 1 to 3600"""
    return text.lower() if text.lower() in ("auto", "off") else str(_integer(1, LONGEST_DELAY_S)(text))


# 172,800 s: the longest a lifecycle action can last, however many heartbeats it gets
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
        raise InvalidSettings(f"There is no policy {name!r}; there are: {', '.join(map(_camel, PARSERS))}.")
    try:
        return PARSERS[name](text.strip())
    except (ValueError, KeyError):
        raise InvalidSettings(
            f"Policy {_camel(name)} cannot be {text!r}: it takes {PARSERS[name].__doc__}."
        ) from None


def _apply(policy: Policy, texts: Mapping[str, str]) -> Policy:
    return replace(policy, **{name: _parse(name, text) for name, text in texts.items()})


def from_environment(environ: Mapping[str, str]) -> Policy:
    """The installation's policy from ``STEPDRAIN_…`` variables; InvalidSettings if one is wrong."""
    return _apply(Policy(), {name: environ[key] for name, key in ENVIRONMENT.items() if environ.get(key)})


def with_tags(policy: Policy, tags: Mapping[str, str]) -> tuple[Policy, list[str]]:
    """The policy as a group's ``stepdrain:…`` tags change it, and a sentence for each bad tag.

    A tag is written by whoever owns the group: a typing error there must not stop the
    drain, so a bad value is reported and the installation's value stays.
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
