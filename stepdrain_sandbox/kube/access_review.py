"""SelfSubjectAccessReview: may I? Answered by the same roles and bindings as real requests.

https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/
"""

from __future__ import annotations

from typing import Any

from stepdrain_sandbox.kube import forms
from stepdrain_sandbox.kube.rbac import Attempt, User, allowed
from stepdrain_sandbox.kube.status import invalid
from stepdrain_sandbox.kube.store import Store

Json = dict[str, Any]
KIND, GROUP = "SelfSubjectAccessReview", "authorization.k8s.io"
ATTRIBUTES = ("verb", "group", "version", "resource", "subresource", "namespace", "name")
FORM = (
    ("spec", dict, "v1.SelfSubjectAccessReviewSpec"),
    ("spec.resourceAttributes", dict, "v1.ResourceAttributes"),
    *((f"spec.resourceAttributes.{name}", str, "string") for name in ATTRIBUTES),
)


def answer(store: Store, user: User, body: Json) -> Json:
    """The review with its ``status.allowed``; 400 for another form, 422 if it asks for nothing."""
    forms.check_version(body, KIND, (f"{GROUP}/v1",))
    forms.check_fields(body, KIND, FORM)
    spec = body.get("spec") or {}
    asked, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (asked is None) == (path is None):
        wrong = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise invalid("", KIND, GROUP, "spec.resourceAttributes", f"Invalid value: {wrong}")
    metadata = {"creationTimestamp": None, **(body.get("metadata") or {})}
    status = {"allowed": _allowed(store, user, asked)}
    return {"kind": KIND, "apiVersion": f"{GROUP}/v1", "metadata": metadata, "spec": spec, "status": status}


def _allowed(store: Store, user: User, asked: Json | None) -> bool:
    if asked is None:
        return allowed(store, user, Attempt("", "", "", "", ""))
    resource = "/".join(filter(None, (asked.get("resource", ""), asked.get("subresource", ""))))
    return allowed(
        store,
        user,
        Attempt(
            asked.get("verb", ""),
            asked.get("group", ""),
            resource,
            asked.get("namespace", ""),
            asked.get("name", ""),
        ),
    )
