"""What each verb does to the store, except for watch, which is in watches.py."""

from __future__ import annotations

import json
from typing import Any

from stepdrain_sandbox.kube import access_review, admission, deletion, evictions, forms, patches
from stepdrain_sandbox.kube.dynamic_admission import DynamicAdmission, Review
from stepdrain_sandbox.kube.listing import Listing
from stepdrain_sandbox.kube.requests import Request, Target
from stepdrain_sandbox.kube.resources import BY_KIND, REVIEWS
from stepdrain_sandbox.kube.status import (
    already_exists,
    bad_request,
    conflict,
    details_of,
    namespace_terminating,
    not_found,
    success,
)
from stepdrain_sandbox.kube.store import Store

Json = dict[str, Any]
OPTIONS = {
    "create": "CreateOptions",
    "update": "UpdateOptions",
    "patch": "PatchOptions",
    "delete": "DeleteOptions",
    "deletecollection": "DeleteOptions",
}
"""The name of each verb's query options in refusals."""


class Operations:
    """Answers authorized requests: (HTTP status, body)."""

    def __init__(self, store: Store, tokens: Any, dynamic: DynamicAdmission) -> None:
        self._store, self._dynamic = store, dynamic
        self._listing = Listing(store)
        self._tokens = tokens

    def answer(self, request: Request) -> tuple[int, Json]:
        """Execute the request; raises ApiError, or Delayed if it must be tried again later."""
        if "dryRun" in request.query and request.verb in OPTIONS:
            forms.check_dry_run([request.query["dryRun"]], OPTIONS[request.verb])
        with self._store.lock:
            match request.verb, request.target.subresource:
                case "get", _:
                    return 200, self._existing(request.target)
                case "list", _:
                    target = request.target
                    return 200, self._listing.answer(target.resource, target.namespace, request.query)
                case "create", "eviction":
                    return 201, self._evict(request)
                case "create", "token":
                    return 201, self._token(request)
                case "create", _ if request.target.resource.plural == REVIEWS:
                    review = _parsed(request, access_review.KIND)
                    return 201, access_review.answer(self._store, request.user, review)
                case "create", _:
                    return 201, self._create(request)
                case (("patch" | "update"), _):
                    return 200, self._change(request)
                case "delete", _:
                    return 200, self._delete(request)
                case _:
                    return 200, self._delete_all(request)

    def _existing(self, target: Target) -> Json:
        obj = self._store.get(target.resource, target.namespace, target.name)
        if obj is None:
            raise not_found(target.name, target.resource.plural, target.resource.group)
        return obj

    def _open_namespace(self, target: Target, name: str) -> None:
        """New content needs a namespace that exists and is not being deleted."""
        if not target.resource.namespaced:
            return
        namespace = self._store.get(BY_KIND["Namespace"], "", target.namespace)
        if namespace is None:
            raise not_found(target.namespace, "namespaces")
        if namespace["metadata"].get("deletionTimestamp"):
            raise namespace_terminating(name, target.resource.plural, target.namespace)

    def _evict(self, request: Request) -> Json:
        target, body = request.target, _parsed(request, "Eviction")
        self._open_namespace(target, target.name)
        eviction = evictions.understood(body, target, request.query)
        self._review(request, "CREATE", target.name, body, dry_run=eviction.dry_run)
        return evictions.evict(self._store, target.namespace, target.name, eviction)

    def _token(self, request: Request) -> Json:
        account = self._existing(request.target)
        token = self._tokens.issue(account["metadata"]["namespace"], account["metadata"]["name"])
        kind = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}
        return {**kind, "metadata": {}, "status": {"token": token}}

    def _create(self, request: Request) -> Json:
        target, body = request.target, _parsed(request, request.target.resource.kind)
        named = body.get("metadata") or {}
        self._open_namespace(target, named.get("name") or named.get("generateName", ""))
        obj = admission.admit(self._store, target.resource, target.namespace, body)
        name = obj["metadata"]["name"]
        if self._store.get(target.resource, target.namespace, name) is not None:
            raise already_exists(name, target.resource.plural, target.resource.group)
        self._review(request, "CREATE", name, obj)
        if request.dry_run:
            return obj
        return self._store.create(target.resource, obj)

    def _change(self, request: Request) -> Json:
        target, before = request.target, self._existing(request.target)
        if request.verb == "patch":
            after = patches.apply(before, request.content_type, request.body)
        else:
            after = {
                "kind": before["kind"],
                "apiVersion": before["apiVersion"],
                **_parsed(request, before["kind"]),
            }
        self._check_identity(target, before, after)
        after = admission.normal(target.resource, _confined(before, after, target.subresource))
        admission.check(target.resource, after)
        self._review(request, "UPDATE", target.name, after)
        if request.dry_run:
            return after
        stored = self._store.replace(target.resource, before, after)
        deletion.forget_if_released(self._store, target.resource, stored)
        return stored

    def _check_identity(self, target: Target, before: Json, after: Json) -> None:
        old, new = before["metadata"], after.get("metadata") or {}
        plural, group = target.resource.plural, target.resource.group
        if new.get("uid", old["uid"]) != old["uid"]:
            why = f"Precondition failed: UID in precondition: {new['uid']}, UID in object meta: {old['uid']}"
            raise conflict(target.name, plural, why, group)
        if new.get("resourceVersion", old["resourceVersion"]) != old["resourceVersion"]:
            why = (
                "the object has been modified; please apply your changes to the latest version and try again"
            )
            raise conflict(target.name, plural, why, group)

    def _delete(self, request: Request) -> Json:
        obj = self._existing(request.target)
        body = _parsed(request, "DeleteOptions") if request.body else {}
        forms.check_fields(body, "DeleteOptions", deletion.FORM)
        chosen = deletion.options(body, request.query)
        self._review(request, "DELETE", request.target.name, None, dry_run=chosen.dry_run)
        answer = deletion.delete(self._store, request.target.resource, obj, chosen)
        if request.target.resource.plural in ("pods", "namespaces", "volumeattachments"):
            return answer
        resource = request.target.resource
        details = details_of(obj["metadata"]["name"], resource.plural, resource.group)
        done = {key: value for key, value in success().items() if key != "code"}
        return {**done, "details": {**details, "uid": obj["metadata"]["uid"]}}

    def _review(
        self, request: Request, operation: str, name: str, obj: Json | None, *, dry_run: bool | None = None
    ) -> None:
        """Ask the cluster's webhooks and policies."""
        dry = request.dry_run if dry_run is None else dry_run
        self._dynamic.review(
            Review(operation, request.target, name, obj, request.user, dry, request.verdicts)
        )

    def _delete_all(self, request: Request) -> Json:
        target = request.target
        listed = self._listing.answer(target.resource, target.namespace, request.query)
        for item in listed["items"]:
            metadata = item["metadata"]
            obj = self._store.get(target.resource, metadata.get("namespace", ""), metadata["name"])
            if obj is not None:
                deletion.delete(self._store, target.resource, obj, deletion.options({}, request.query))
        return listed


def _parsed(request: Request, kind: str) -> Json:
    try:
        body = json.loads(request.body)
    except ValueError as error:
        text = request.body.decode("utf-8", "replace")
        raise bad_request(
            f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; "
            f"json parse error: {error} ({text[:40]})"
        ) from error
    if not isinstance(body, dict):
        raise bad_request(f"the object provided is unrecognized (must be of type {kind})")
    return body


def _confined(before: Json, after: Json, subresource: str) -> Json:
    """What a request may change: the object but its status, or with /status its status and labels.

    Metadata that the server owns stays as it was.
    """
    kept = (
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "namespace",
        "name",
    )
    metadata = {**(after.get("metadata") or {})}
    for name in (*kept, "deletionGracePeriodSeconds"):
        metadata.pop(name, None)
        if name in before["metadata"]:
            metadata[name] = before["metadata"][name]
    if subresource == "status":
        changed = {**before, "metadata": metadata}
        status = after.get("status") or before.get("status")
        return {**changed, "status": status} if status is not None else changed
    confined = {**after, "metadata": metadata}
    confined.pop("status", None)
    return {**confined, "status": before["status"]} if "status" in before else confined
