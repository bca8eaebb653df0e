"""What WaitForPods writes on the Node while it waits: pods that nothing lets go, and pods that do not end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stepdrain.document.step import Step
from stepdrain.rules import reasons, stuck_pods
from stepdrain.rules.pods import Pod
from stepdrain.rules.reasons import Reason
from stepdrain.states import waiting

Warn = Callable[[str, str], None]
"""Writes a Warning on the Node: its reason (reporting.node_events.REASONS), and its message."""


class WaitingEvents:
    """The Events of one attempt, each at most once; the round makes one Event of all attempts'."""

    def __init__(self, step: Step, warn: Warn, started_at: float) -> None:
        record = step.progress
        self._step, self._warn, self._started_at = step, warn, started_at
        self._overdue = False
        # What EvictBatch has just found blocked it has written by itself.
        news = record.probing or record.refused_since == record.asked_at or record.leaving > 0
        self.blocked: bool | None = None if step.attempt or not news else False
        """Whether it is known that nothing may go and nothing leaves; None before the first look."""

    def write(self, held: Sequence[Reason], unended: Sequence[Pod], now: float) -> None:
        """PodsBlocked when that begins, PodsOverdue when a pod becomes overdue; both in a visit's first.

        ``held``: the pods that are to go, with what holds them; empty if one may go, or one leaves.
        ``unended``: those that are long past their grace although their kubelet answers.
        """
        if held and self.blocked is False:
            self._warn("PodsBlocked", reasons.cannot_be_evicted(len(held), reasons.phrases(held)))
        self.blocked = bool(held)
        if not self._overdue and unended and (self._step.attempt == 0 or self._new(unended, now)):
            named = "; ".join(reasons.phrases(stuck_pods.why_unended(unended)))
            self._warn("PodsOverdue", f"Evicted pods that do not end: {named}.")
            self._overdue = True

    def _new(self, unended: Sequence[Pod], now: float) -> bool:
        # Since then an attempt has looked, also one that polls.
        recent = min(self._started_at, now) - waiting.POLL_S
        return any(stuck_pods.named_from(pod, self._step.policy) > recent for pod in unended)
