"""Admission webhooks and ValidatingAdmissionPolicies.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/ and
…/validating-admission-policy/. Their configurations are objects in the cluster, as on a real one: deleting
an object switches it off. A function, the *backend*, answers for a webhook; a webhook without a backend is
unreachable. The wording of refusals was recorded from kube-apiserver v1.36.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from stepdrain_sandbox.kube import admission
from stepdrain_sandbox.kube.evictions import selects
from stepdrain_sandbox.kube.rbac import User
from stepdrain_sandbox.kube.requests import Target
from stepdrain_sandbox.kube.resources import BY_KIND, Resource
from stepdrain_sandbox.kube.status import ApiError, details_of, failure, internal_error, qualified
from stepdrain_sandbox.kube.store import Store

Json = dict[str, Any]
MUTATING, VALIDATING = BY_KIND["MutatingWebhookConfiguration"], BY_KIND["ValidatingWebhookConfiguration"]
POLICY, BINDING = BY_KIND["ValidatingAdmissionPolicy"], BY_KIND["ValidatingAdmissionPolicyBinding"]
GUARD = "guard.example.com"
DEFAULT_TIMEOUT_S = 10
REFUSED = "dial tcp 127.0.0.1:9443: connect: connection refused"
CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413}
"""A policy's reasons; Invalid and all others are 422."""


@dataclass(frozen=True)
class Verdict:
    """What a webhook's backend answers, after ``hangs_s`` seconds; ``unreachable``: why it does not.

    ``code`` and ``reason`` are those of the AdmissionReview's status; without a code the server says 400.
    """

    allowed: bool = True
    message: str = ""
    code: int = 400
    reason: str = ""
    hangs_s: float = 0
    unreachable: str = ""


Backend = Callable[[Json], Verdict]
"""Gets the AdmissionRequest: operation, resource, subResource, name, namespace, userInfo, object, dryRun."""
ALLOWED = Verdict()


def refusing(message: str, code: int = 400, *, names: str = "") -> Backend:
    """A backend that refuses objects whose names match ``names`` (a regular expression; "" matches all)."""
    refusal = Verdict(allowed=False, message=message, code=code)
    return lambda request: refusal if re.search(names, request["name"]) else ALLOWED


def hanging(seconds: float, *, names: str = "") -> Backend:
    """A backend that answers after so many seconds, if the webhook's timeout is longer."""
    return lambda request: Verdict(hangs_s=seconds) if re.search(names, request["name"]) else ALLOWED


def unreachable(_request: Json) -> Verdict:
    """A backend whose port is closed."""
    return Verdict(unreachable=REFUSED)


class Delayed(Exception):
    """The request must wait ``seconds`` for webhooks that hang, and must then be tried again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"a webhook hangs for {seconds} s")
        self.seconds = seconds


@dataclass
class Review:
    """A request for admission; ``verdicts`` are those of the webhooks that were called already."""

    operation: str
    """CREATE, UPDATE or DELETE."""
    target: Target
    name: str
    object: Json | None
    user: User
    dry_run: bool
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def request(self) -> Json:
        """The AdmissionRequest that a backend gets (admission.k8s.io/v1), without its kinds and uid."""
        resource = self.target.resource
        return {
            "operation": self.operation,
            "resource": {"group": resource.group, "version": resource.version, "resource": resource.plural},
            "subResource": self.target.subresource,
            "name": self.name,
            "namespace": self.target.namespace,
            "userInfo": {"username": self.user.name, "groups": list(self.user.groups)},
            "object": self.object,
            "dryRun": self.dry_run,
        }


class DynamicAdmission:
    """A cluster's webhooks and policies, with their backends."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._backends: dict[str, Backend] = {}
        self._denies: dict[str, Callable[[Json], bool]] = {}

    def add_webhook(
        self,
        backend: Backend,
        *,
        name: str = GUARD,
        failure_policy: str = "Fail",
        timeout_s: int = DEFAULT_TIMEOUT_S,
        operations: Sequence[str] = ("CREATE",),
        resources: Sequence[str] = ("pods/eviction",),
        kind: str = "ValidatingWebhookConfiguration",
    ) -> None:
        """Put a webhook before these requests; the object that configures it has its name."""
        self._backends[name] = backend
        service = {"namespace": "guard", "name": "guard", "path": "/validate"}
        webhook = {
            "name": name,
            "failurePolicy": failure_policy,
            "timeoutSeconds": timeout_s,
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": service},
            "rules": [_rule(operations, resources)],
        }
        self._create({"kind": kind, "metadata": {"name": name}, "webhooks": [webhook]})

    def add_policy(
        self,
        denies: Callable[[Json], bool],
        message: str,
        *,
        name: str = GUARD,
        reason: str = "",
        operations: Sequence[str] = ("CREATE",),
        resources: Sequence[str] = ("pods/eviction",),
    ) -> None:
        """Put a policy, and its binding of the same name, before these requests.

        ``denies`` gets the AdmissionRequest and stands for the CEL expression; ``reason`` is "" (then
        Invalid), Forbidden, Unauthorized or RequestEntityTooLarge.
        """
        self._denies[name] = denies
        validation = {"expression": "false", "message": message, **({"reason": reason} if reason else {})}
        spec = {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [_rule(operations, resources)]},
            "validations": [validation],
        }
        self._create({"kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec})
        bound = {"policyName": name, "validationActions": ["Deny"]}
        self._create({"kind": BINDING.kind, "metadata": {"name": name}, "spec": bound})

    def remove(self, name: str = GUARD) -> None:
        """Delete the webhook or policy of that name; no-op if it does not exist."""
        for resource in (MUTATING, VALIDATING, BINDING, POLICY):
            found = self._store.get(resource, "", name)
            if found is not None:
                self._store.remove(resource, found)

    def review(self, review: Review) -> None:
        """Return if the request may go on; raises ApiError, or Delayed while a webhook has not answered.

        Mutating webhooks come first, then policies, then validating webhooks
        (kubernetes/kubernetes pkg/kubeapiserver/options/plugins.go).
        """
        self._ask(review, MUTATING)
        for policy, binding in self._bound():
            self._apply(policy, binding, review)
        self._ask(review, VALIDATING)

    def _create(self, manifest: Json) -> None:
        resource = BY_KIND[manifest["kind"]]
        self._store.create(resource, admission.admit(self._store, resource, "", manifest))

    def _ask(self, review: Review, configurations: Resource) -> None:
        webhooks = [
            webhook
            for configuration in self._store.all(configurations)
            for webhook in configuration.get("webhooks") or ()
            if self._matches(webhook, webhook.get("rules") or (), review)
        ]
        new = [webhook for webhook in webhooks if webhook["name"] not in review.verdicts]
        for webhook in new:
            backend = self._backends.get(webhook["name"], unreachable)
            review.verdicts[webhook["name"]] = backend(review.request())
        # They are called in parallel: the slowest decides how long it takes.
        seconds = max((_waits_s(webhook, review.verdicts[webhook["name"]]) for webhook in new), default=0)
        if seconds > 0:
            raise Delayed(seconds)
        for webhook in webhooks:
            _judge(webhook, review.verdicts[webhook["name"]])

    def _bound(self) -> Iterator[tuple[Json, Json]]:
        for binding in self._store.all(BINDING):
            policy = self._store.get(POLICY, "", binding["spec"]["policyName"])
            if policy is not None and "Deny" in binding["spec"].get("validationActions", ()):
                yield policy, binding

    def _apply(self, policy: Json, binding: Json, review: Review) -> None:
        constraints = policy["spec"].get("matchConstraints") or {}
        if not self._matches(constraints, constraints.get("resourceRules") or (), review):
            return
        name = policy["metadata"]["name"]
        denies = self._denies.get(name)
        for validation in policy["spec"].get("validations") or ():
            if denies(review.request()) if denies else validation["expression"] == "false":
                raise _denied(name, binding["metadata"]["name"], validation, review)

    def _matches(self, selecting: Json, rules: Iterable[Json], review: Review) -> bool:
        namespace = self._store.get(BY_KIND["Namespace"], "", review.target.namespace) or {}
        labels = namespace.get("metadata", {}).get("labels") or {}
        name = {"kubernetes.io/metadata.name": review.target.namespace}
        own = ((review.object or {}).get("metadata") or {}).get("labels") or {}
        return (
            any(_covers(rule, review) for rule in rules)
            and selects(selecting.get("namespaceSelector") or {}, {**labels, **name})
            and selects(selecting.get("objectSelector") or {}, own)
        )


def _rule(operations: Sequence[str], resources: Sequence[str]) -> Json:
    return {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": list(resources),
    }


def _covers(rule: Json, review: Review) -> bool:
    resource, subresource = review.target.resource, review.target.subresource
    whole = f"{resource.plural}/{subresource}" if subresource else resource.plural
    known = {whole, "*/*", f"*/{subresource}" if subresource else "*", f"{resource.plural}/*"}
    return (
        bool({resource.group, "*"} & set(rule.get("apiGroups") or ()))
        and bool({resource.version, "*"} & set(rule.get("apiVersions") or ()))
        and bool({review.operation, "*"} & set(rule.get("operations") or ()))
        and bool(known & set(rule.get("resources") or ()))
    )


def _timeout_s(webhook: Json) -> int:
    return int(webhook.get("timeoutSeconds", DEFAULT_TIMEOUT_S))


def _waits_s(webhook: Json, verdict: Verdict) -> float:
    return min(verdict.hangs_s, float(_timeout_s(webhook)))


def _judge(webhook: Json, verdict: Verdict) -> None:
    late = verdict.hangs_s >= _timeout_s(webhook)
    if late or verdict.unreachable:
        if webhook.get("failurePolicy", "Fail") == "Fail":
            why = "context deadline exceeded" if late else verdict.unreachable
            raise internal_error(
                f'failed calling webhook "{webhook["name"]}": failed to call webhook: '
                f'Post "{_url(webhook)}?timeout={_timeout_s(webhook)}s": {why}'
            )
    elif not verdict.allowed:
        raise _webhook_refusal(webhook["name"], verdict)


def _url(webhook: Json) -> str:
    where = webhook.get("clientConfig") or {}
    service = where.get("service") or {}
    path = str(service.get("path", "/")).lstrip("/")
    return where.get("url") or f"https://{service.get('name')}.{service.get('namespace')}.svc:443/{path}"


def _webhook_refusal(name: str, verdict: Verdict) -> ApiError:
    """kubernetes/apiserver pkg/admission/plugin/webhook/errors/statuserror.go."""
    said = verdict.message or verdict.reason
    message = f'admission webhook "{name}" denied the request' + (
        f": {said}" if said else " without explanation"
    )
    return failure(max(verdict.code, 400), verdict.reason, message)


def _denied(policy: str, binding: str, validation: Json, review: Review) -> ApiError:
    """kubernetes/apiserver pkg/admission/plugin/policy/validating/dispatcher.go."""
    said = validation.get("message") or f"failed expression: {validation['expression']}"
    why = f"ValidatingAdmissionPolicy '{policy}' with binding '{binding}' denied request: {said}"
    reason, resource = validation.get("reason") or "Invalid", review.target.resource
    details = {**details_of(review.name, resource.plural, resource.group), "causes": [{"message": why}]}
    message = f'{qualified(resource.plural, resource.group)} "{review.name}" is forbidden: {why}'
    return failure(CODES.get(reason, 422), reason, message, details)
