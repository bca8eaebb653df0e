"""DELETE and its grace: what is removed at once, what gets a deletionTimestamp, and preconditions.

Rules: kubernetes/apiserver pkg/registry/rest/delete.go (BeforeDelete) and kubernetes/kubernetes
pkg/registry/core/pod/strategy.go (CheckGracefulDelete).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stepdrain_sandbox.kube import forms
from stepdrain_sandbox.kube.resources import Resource
from stepdrain_sandbox.kube.status import conflict
from stepdrain_sandbox.kube.store import Store

Json = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """DeleteOptions: seconds of grace (None: the pod's own), preconditions, dry run."""

    grace_s: int | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False


FORM: tuple[tuple[str, type, str], ...] = (
    ("gracePeriodSeconds", int, "int64"),
    ("preconditions", dict, "v1.Preconditions"),
    ("preconditions.uid", str, "types.UID"),
    ("preconditions.resourceVersion", str, "string"),
    ("dryRun", list, "[]string"),
)
"""The fields of DeleteOptions that count here: their types, and their names in the server's refusals."""


def options(body: Json, query: dict[str, str]) -> Options:
    """DeleteOptions from a checked body and a query string; the query takes precedence.

    Raises 422 for a dry run that is not All.
    """
    forms.check_dry_run(body.get("dryRun") or (), "DeleteOptions")
    grace = query.get("gracePeriodSeconds", body.get("gracePeriodSeconds"))
    preconditions = body.get("preconditions") or {}
    return Options(
        grace_s=None if grace is None else int(grace),
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        dry_run=query.get("dryRun") == "All" or "All" in (body.get("dryRun") or ()),
    )


def check_preconditions(obj: Json, resource: Resource, chosen: Options) -> None:
    """Raise the server's 409 if uid or resourceVersion is not what the client expects."""
    name, metadata = obj["metadata"]["name"], obj["metadata"]
    kind, group = resource.kind, resource.group
    if chosen.uid is not None and chosen.uid != metadata["uid"]:
        raise conflict(
            name, kind, _mismatch("UID", chosen.uid, metadata["uid"], "deleted and then recreated"), group
        )
    version = chosen.resource_version
    if version is not None and version != metadata["resourceVersion"]:
        raise conflict(
            name, kind, _mismatch("ResourceVersion", version, metadata["resourceVersion"], "modified"), group
        )


def _mismatch(what: str, expected: str, actual: str, happened: str) -> str:
    return (
        f"the {what} in the precondition ({expected}) does not match the {what} in record ({actual}). "
        f"The object might have been {happened}"
    )


def delete(store: Store, resource: Resource, obj: Json, chosen: Options) -> Json:
    """Delete the object, or begin to; returns it as in the answer."""
    check_preconditions(obj, resource, chosen)
    marked = _marked(store, obj, _grace(resource, obj, chosen))
    if chosen.dry_run:
        return marked
    if resource.plural == "namespaces":
        return _terminate_namespace(store, resource, obj)
    if resource.plural != "pods":
        if obj["metadata"].get("finalizers"):
            return store.replace(resource, obj, marked)
        return store.remove(resource, obj)
    # A watch sees the grace become 0 before it sees the pod vanish.
    marked = store.replace(resource, obj, marked)
    if marked["metadata"]["deletionGracePeriodSeconds"] > 0 or obj["metadata"].get("finalizers"):
        return marked
    return store.remove(resource, marked)


def _grace(resource: Resource, obj: Json, chosen: Options) -> int:
    if resource.plural != "pods":
        return 0
    spec = obj["spec"]
    grace = spec["terminationGracePeriodSeconds"] if chosen.grace_s is None else chosen.grace_s
    finished = obj["status"].get("phase") in ("Succeeded", "Failed")
    if not spec.get("nodeName") or finished:
        return 0
    return 1 if grace < 0 else int(grace)


def _marked(store: Store, obj: Json, grace_s: int) -> Json:
    metadata = obj["metadata"]
    running = metadata.get("deletionGracePeriodSeconds")
    if running is not None and running <= grace_s:
        return obj  # A second DELETE can shorten the grace, never lengthen it.
    changed = {
        **metadata,
        "deletionTimestamp": store.timestamp(grace_s),
        "deletionGracePeriodSeconds": grace_s,
    }
    if running is None and "generation" in metadata:
        changed["generation"] = metadata["generation"] + 1
    return {**obj, "metadata": changed}


def _terminate_namespace(store: Store, resource: Resource, obj: Json) -> Json:
    metadata = {**obj["metadata"], "deletionTimestamp": store.timestamp()}
    return store.replace(resource, obj, {**obj, "metadata": metadata, "status": {"phase": "Terminating"}})


def forget_if_released(store: Store, resource: Resource, obj: Json) -> None:
    """Remove an object whose last finalizer has just gone."""
    metadata = obj["metadata"]
    waiting = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds", 0) > 0
    if metadata.get("deletionTimestamp") and not waiting and resource.plural != "namespaces":
        store.remove(resource, obj)
