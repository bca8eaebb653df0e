"""Classifies the answers of the Eviction API, and sums up those of a batch.

An answer is about the pod (a budget, a webhook or policy, its namespace), about the API, or about us. Only
the text says which: a webhook chooses its own status code, 401 and 409 among them. What is about one
pod holds that pod and no other; the rest of the drain goes on.

Sources: kubernetes/kubernetes pkg/registry/core/pod/storage/eviction.go; kubernetes/apiserver
pkg/admission/plugin/webhook/errors/statuserror.go and pkg/admission/plugin/policy/validating;
https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/. The rows of ``classify`` were recorded
from kube-apiserver v1.36.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stepdrain.errors import (
    DrainError,
    KubeConflict,
    KubeForbidden,
    KubeRejected,
    KubeThrottled,
    KubeUnauthorized,
    KubeUnavailable,
)
from stepdrain.rules import budgets
from stepdrain.rules.pods import Pod
from stepdrain.rules.reasons import Reason

ADMISSION = re.compile(
    r'^admission webhook ".*?" denied the request'
    r"|ValidatingAdmissionPolicy '.*?' with binding '.*?' denied request"
)
"""How the API server begins the refusal of a webhook, and of an admission policy."""
UNREACHED = re.compile(r"failed calling webhook|failed to call webhook")
"""A webhook under failurePolicy Fail that did not answer: nobody has decided about the pod."""
UNAUTHORIZED = re.compile(r'\bUser ".*?" cannot \w+ resource')
"""A refusal by RBAC, or by another authorizer
(kubernetes/apiserver pkg/endpoints/handlers/responsewriters/errors.go)."""
ANOTHER_POD = "UID in the precondition"
"""The API server's own 409: another pod has the name by now."""


class Outcome(StrEnum):
    """What one eviction came to."""

    ACCEPTED = "accepted"
    GONE = "gone"
    BLOCKED = "blocked"
    REFUSED = "refused"
    MISCONFIGURED = "misconfigured"
    NAMESPACE_TERMINATING = "namespace terminating"
    CONFLICT = "conflict"
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
    def text(self) -> str:
        """The Status message, or the text of a body that is none."""
        return self.body if isinstance(self.body, str) else str(self.body.get("message") or "")

    @property
    def message(self) -> str:
        """The words of whoever decided: a webhook's or policy's, else the cause's, else the text.

        A budget's are worded as our own reading of it is, so that one obstacle has one sentence.
        """
        if self.admission_denied:
            return self.text
        causes = [cause["message"] for cause in self._causes() if cause.get("message")]
        return budgets.in_our_words(str(causes[0])) if causes else self.text

    @property
    def admission_denied(self) -> bool:
        """A webhook or an admission policy has decided against the request, with whatever status it chose."""
        return self.status >= 400 and bool(ADMISSION.search(self.text))

    def caused_by(self, reason: str) -> bool:
        """Whether ``details.causes`` of the Status names ``reason``."""
        return any(cause.get("reason") == reason for cause in self._causes())

    def _causes(self) -> Sequence[Mapping[str, Any]]:
        details = self.body.get("details") if isinstance(self.body, Mapping) else None
        causes = details.get("causes") if isinstance(details, Mapping) else None
        return [cause for cause in causes or () if isinstance(cause, Mapping)]


def classify(answer: Answer) -> Outcome:
    """The outcome of an eviction that was sent with the pod's UID as precondition; the first row that fits.

    200, 201                                   accepted: the pod has begun to terminate
    a webhook's or policy's text, any status   refused: held, until they let it go
    "failed calling webhook"                   unavailable: nobody has decided
    404                                        gone
    409 by the UID                             gone: another pod has its name
    409 otherwise                              conflict
    429 with a DisruptionBudget cause          blocked; Retry-After is mostly absent, so not looked at
    429 otherwise                              throttled (text/plain, priority and fairness)
    500 "more than one PodDisruptionBudget"    misconfigured: blocked until somebody edits a budget
    403 with cause NamespaceTerminating        its namespace is being deleted and the pod goes with it
    401                                        unauthorized
    403 "User … cannot …", or no Status        forbidden: a right of ours is missing
    403 otherwise                              refused: an admission plugin's, or a broken budget's
    0, 5xx                                     unavailable: no usable answer
    otherwise                                  rejected: the request is wrong
    """
    if answer.status in (200, 201):
        return Outcome.ACCEPTED
    if answer.admission_denied:
        return Outcome.REFUSED
    if UNREACHED.search(answer.text):
        return Outcome.UNAVAILABLE
    match answer.status:
        case 404:
            return Outcome.GONE
        case 409:
            return Outcome.GONE if ANOTHER_POD in answer.text else Outcome.CONFLICT
        case 429:
            return Outcome.BLOCKED if answer.caused_by("DisruptionBudget") else Outcome.THROTTLED
        case 500 if "more than one PodDisruptionBudget" in answer.text:
            return Outcome.MISCONFIGURED
        case 401:
            return Outcome.UNAUTHORIZED
        case 403:
            return _forbidden(answer)
        case status if status == 0 or status >= 500:
            return Outcome.UNAVAILABLE
        case _:
            return Outcome.REJECTED


def _forbidden(answer: Answer) -> Outcome:
    if answer.caused_by("NamespaceTerminating"):
        return Outcome.NAMESPACE_TERMINATING
    # Whoever stands before the API server (a proxy, a firewall) answers without a Status.
    if isinstance(answer.body, str) or UNAUTHORIZED.search(answer.text):
        return Outcome.FORBIDDEN
    return Outcome.REFUSED


STOPPED: dict[Outcome, type[DrainError]] = {
    Outcome.UNAUTHORIZED: KubeUnauthorized,
    Outcome.FORBIDDEN: KubeForbidden,
    Outcome.REJECTED: KubeRejected,
}
NOT_NOW: dict[Outcome, type[DrainError]] = {
    Outcome.UNAVAILABLE: KubeUnavailable,
    Outcome.THROTTLED: KubeThrottled,
    Outcome.CONFLICT: KubeConflict,
}
HELD = (Outcome.BLOCKED, Outcome.REFUSED, Outcome.MISCONFIGURED, Outcome.NAMESPACE_TERMINATING)


@dataclass
class Tally:
    """A batch's outcomes: counts of pods, those that are held, and the first error of each kind."""

    evicted: int = 0
    blocked: list[Reason] = field(default_factory=list)
    errors: dict[type[DrainError], str] = field(default_factory=dict)

    def add(self, pod: Pod, answer: Answer, known: str = "") -> None:
        """Count one answer; ``known`` is what our own reading of the budgets says of the pod."""
        outcome = classify(answer)
        if outcome in HELD:
            # The API server does not name the budgets that are too many.
            named = outcome is Outcome.MISCONFIGURED and known
            self.blocked.append(Reason(pod.key, named or answer.message))
        elif error := STOPPED.get(outcome) or NOT_NOW.get(outcome):
            self.errors.setdefault(error, f"{pod.key}: {answer.message}")
        else:
            self.evicted += 1

    def error(self) -> DrainError | None:
        """The error that the batch comes to, None if it moved anything or nothing failed.

        What a person must fix is raised even if other pods were evicted: it would not go away, and
        those pods stay evicted. What may pass by itself is raised only if no pod moved.
        """
        for kind in STOPPED.values():
            if kind in self.errors:
                return kind(self.errors[kind])
        if self.evicted:
            return None
        return next((kind(self.errors[kind]) for kind in NOT_NOW.values() if kind in self.errors), None)


def tally(answers: Iterable[tuple[Pod, Answer]], expected: Sequence[Reason] = ()) -> Tally:
    """What a batch came to. ``expected``: pods that budgets hold by our own reading.

    Those that were not asked for count as blocked.
    """
    answers = list(answers)
    asked, known = {pod.key for pod, _ in answers}, {reason.name: reason.why for reason in expected}
    result = Tally(blocked=[reason for reason in expected if reason.name not in asked])
    for pod, answer in answers:
        result.add(pod, answer, known.get(pod.key, ""))
    return result
