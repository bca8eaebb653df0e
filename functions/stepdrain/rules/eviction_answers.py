"""What the Eviction API answered, told apart, and what a batch of answers comes to.

Sources: kubernetes/kubernetes pkg/registry/core/pod/storage/eviction.go and
https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/; each row of
``classify`` was recorded from kube-apiserver v1.36.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stepdrain.errors import (
    DrainError,
    KubeForbidden,
    KubeRejected,
    KubeThrottled,
    KubeUnauthorized,
    KubeUnavailable,
)
from stepdrain.rules.pods import Pod
from stepdrain.rules.reasons import Reason


class Outcome(StrEnum):
    """What one eviction came to."""

    ACCEPTED = "accepted"
    GONE = "gone"
    BLOCKED = "blocked"
    MISCONFIGURED = "misconfigured"
    NAMESPACE_TERMINATING = "namespace terminating"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status, the body as parsed JSON or as text; status 0: none came, text says why."""

    status: int
    body: Mapping[str, Any] | str

    @property
    def message(self) -> str:
        """The server's own words: the cause's if there is one, else the Status message, else the text."""
        if isinstance(self.body, str):
            return self.body
        causes = [cause["message"] for cause in self._causes() if cause.get("message")]
        return str(causes[0] if causes else self.body.get("message", ""))

    def caused_by(self, reason: str) -> bool:
        """Whether ``details.causes`` of the Status names ``reason``."""
        return any(cause.get("reason") == reason for cause in self._causes())

    def _causes(self) -> Sequence[Mapping[str, Any]]:
        details = self.body.get("details") if isinstance(self.body, Mapping) else None
        return (details or {}).get("causes") or ()


def classify(answer: Answer) -> Outcome:
    """The outcome of an eviction that was sent with the pod's UID as precondition.

    201                                     accepted: the pod has begun to terminate
    404, 409                                gone: it is not there, or another pod has its name
    429 with a DisruptionBudget cause       blocked; Retry-After is mostly absent, so not looked at
    429 otherwise                           throttled by the server (text/plain, priority and fairness)
    500 "more than one PodDisruptionBudget" misconfigured: blocked until somebody edits a budget
    403 with cause NamespaceTerminating     its namespace is being deleted and the pod goes with it
    401 / 403                               unauthorized / forbidden
    0, 5xx                                  unavailable: no usable answer
    otherwise                               rejected: the request is wrong
    """
    match answer.status:
        case 200 | 201:
            return Outcome.ACCEPTED
        case 404 | 409:
            return Outcome.GONE
        case 429:
            return Outcome.BLOCKED if answer.caused_by("DisruptionBudget") else Outcome.THROTTLED
        case 500 if "more than one PodDisruptionBudget" in answer.message:
            return Outcome.MISCONFIGURED
        case 403 if answer.caused_by("NamespaceTerminating"):
            return Outcome.NAMESPACE_TERMINATING
        case 401:
            return Outcome.UNAUTHORIZED
        case 403:
            return Outcome.FORBIDDEN
        case status if status == 0 or status >= 500:
            return Outcome.UNAVAILABLE
        case _:
            return Outcome.REJECTED


STOPPED: dict[Outcome, type[DrainError]] = {
    Outcome.UNAUTHORIZED: KubeUnauthorized,
    Outcome.FORBIDDEN: KubeForbidden,
    Outcome.REJECTED: KubeRejected,
}
NOT_NOW: dict[Outcome, type[DrainError]] = {
    Outcome.UNAVAILABLE: KubeUnavailable,
    Outcome.THROTTLED: KubeThrottled,
}
HELD = (Outcome.BLOCKED, Outcome.MISCONFIGURED, Outcome.NAMESPACE_TERMINATING)


@dataclass
class Tally:
    """A batch's outcomes: counts of pods, those that are held, and the first error of each kind."""

    evicted: int = 0
    blocked: list[Reason] = field(default_factory=list)
    errors: dict[type[DrainError], str] = field(default_factory=dict)

    def add(self, pod: Pod, answer: Answer) -> None:
        """Count one answer."""
        outcome = classify(answer)
        if outcome in HELD:
            self.blocked.append(Reason(pod.key, answer.message))
        elif error := STOPPED.get(outcome) or NOT_NOW.get(outcome):
            self.errors.setdefault(error, f"{pod.key}: {answer.message}")
        else:
            self.evicted += 1

    def error(self) -> DrainError | None:
        """The error that the batch comes to, None if it moved anything or nothing failed.

        What a person must mend is raised even beside successes: it would not go away, and
        the pods that were evicted stay evicted. What may pass by itself counts only when
        nothing else moved.
        """
        for kind in STOPPED.values():
            if kind in self.errors:
                return kind(self.errors[kind])
        if self.evicted:
            return None
        return next((kind(self.errors[kind]) for kind in NOT_NOW.values() if kind in self.errors), None)


def tally(answers: Iterable[tuple[Pod, Answer]], blocked: Sequence[Reason] = ()) -> Tally:
    """What a batch came to; ``blocked`` are those that were not even asked for."""
    result = Tally(blocked=list(blocked))
    for pod, answer in answers:
        result.add(pod, answer)
    return result
