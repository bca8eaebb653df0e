"""The order in which pods leave: waves, each gone before the next starts.

CoreDNS must answer while applications shut down, and a log shipper must run while
they write their last lines. The order is Karpenter's (kubernetes-sigs/karpenter,
pkg/controllers/node/termination/terminator); kubernetes/kubernetes #109353 asks for
the same in kubectl.
"""

from __future__ import annotations

from collections.abc import Collection

from stepdrain.rules.pods import Pod

ORDINARY, SYSTEM, DAEMONSETS, SYSTEM_DAEMONSETS = 1, 2, 3, 4
FIRST, LAST = 0, 9
ANNOTATION = "stepdrain/wave"
"""On a pod: a whole number from 0 (leaves first) to 9 (leaves last) that replaces the default wave."""
# https://kubernetes.io/docs/tasks/administer-cluster/guaranteed-scheduling-critical-addon-pods/
SYSTEM_CLASSES = ("system-cluster-critical", "system-node-critical")


def wave(pod: Pod) -> int:
    """The pod's wave: from its annotation if that is a valid wave, else by the kind of pod.

    pod with a system priority class       2; 4 if a DaemonSet owns it
    any other pod                          1; 3 if a DaemonSet owns it
    """
    asked = pod.annotations.get(ANNOTATION, "")
    if readable(asked):
        return int(asked)
    if pod.priority_class in SYSTEM_CLASSES:
        return SYSTEM_DAEMONSETS if pod.of_daemonset else SYSTEM
    return DAEMONSETS if pod.of_daemonset else ORDINARY


def readable(asked: str) -> bool:
    """Whether an annotation's text is a valid wave."""
    return asked.isdecimal() and asked.isascii() and FIRST <= int(asked) <= LAST


def unreadable(pods: Collection[Pod]) -> list[str]:
    """A sentence for each pod whose annotation is not a valid wave, with the wave used instead."""
    unread = [pod for pod in pods if not readable(pod.annotations.get(ANNOTATION, str(FIRST)))]
    rule = f"is not a number from {FIRST} to {LAST}"
    return [
        f"{pod.key}: annotation {ANNOTATION}={pod.annotations[ANNOTATION]!r} {rule}; wave {wave(pod)} is used"
        for pod in unread
    ]


def first(pods: Collection[Pod]) -> list[Pod]:
    """The pods of the earliest wave in ``pods``. Pods that are still leaving count: pass them, too."""
    earliest = min(map(wave, pods), default=None)
    return [pod for pod in pods if wave(pod) == earliest]
