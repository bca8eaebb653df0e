"""What the server adds to a new object, and what it refuses to store."""

from __future__ import annotations

import re
import secrets
from typing import Any

from stepdrain_sandbox.kube import forms
from stepdrain_sandbox.kube.resources import Resource
from stepdrain_sandbox.kube.status import already_exists, bad_request, invalid
from stepdrain_sandbox.kube.store import Store

Json = dict[str, Any]
LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
KEY_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
"""The characters of a generated name's suffix (kubernetes/apimachinery pkg/util/rand)."""
TRIES = 8
"""Generated names that the server tries before it gives up (KEP-4420, RetryGenerateName)."""
POLICY_GROUP = "admissionregistration.k8s.io"
NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def admit(store: Store, resource: Resource, namespace: str, obj: Json) -> Json:
    """The object ready for ``store``: with its name, namespace and defaults.

    Raises 400, 422, or 409 if all generated names were taken.
    """
    metadata = dict(obj.get("metadata") or {})
    if not metadata.get("name"):
        if not metadata.get("generateName"):
            raise invalid(
                "", resource.kind, resource.group, "metadata.name", "Required value: name or generateName"
            )
        metadata["name"] = _free_name(store, resource, namespace, metadata["generateName"])
    if resource.namespaced:
        if metadata.get("namespace", namespace) != namespace:
            raise bad_request(forms.OTHER_NAMESPACE)
        metadata["namespace"] = namespace
    for name in ("resourceVersion", "deletionTimestamp"):
        metadata.pop(name, None)
    named = {"kind": resource.kind, "apiVersion": resource.api_version, **obj, "metadata": metadata}
    check(resource, named)
    return normal(resource, DEFAULTS.get(resource.plural, lambda named: named)(named))


def _free_name(store: Store, resource: Resource, namespace: str, prefix: str) -> str:
    for _ in range(TRIES):
        name = prefix + "".join(secrets.choice(SUFFIX) for _ in range(5))
        if store.get(resource, namespace, name) is None:
            return name
    raise already_exists(name, resource.plural, resource.group)


def check(resource: Resource, obj: Json) -> None:
    """Raise 422 for invalid labels, and for an Event outside its object's namespace."""
    name = obj["metadata"]["name"]
    for key in obj["metadata"].get("labels") or {}:
        if not LABEL_KEY.fullmatch(key):
            why = f'Invalid value: "{key}": {KEY_RULE}'
            raise invalid(name, resource.kind, resource.group, "metadata.labels", why)
    if resource.plural == "events":
        _check_event(obj, name)
    if resource.plural == "validatingadmissionpolicies":
        _check_policy(obj, name)


def normal(resource: Resource, obj: Json) -> Json:
    """The object without zero values that Kubernetes leaves out when it stores them (omitempty)."""
    for section, names in (("metadata", MAPS), *OMITTED.get(resource.plural, ())):
        held = obj.get(section) or {}
        zero = [name for name in names if name in held and not held[name]]
        if zero:
            obj = {**obj, section: {key: value for key, value in held.items() if key not in zero}}
    return obj


def _check_event(event: Json, name: str) -> None:
    concerns = (event.get("involvedObject") or {}).get("namespace", "")
    lives = event["metadata"]["namespace"]
    # An Event about a cluster-scoped object lives in default
    # (kubernetes/kubernetes pkg/apis/core/validation).
    if concerns != lives and not (concerns == "" and lives == "default"):
        why = f'Invalid value: "{concerns}": does not match event.namespace'
        raise invalid(name, "Event", "", "involvedObject.namespace", why)


def _check_policy(policy: Json, name: str) -> None:
    """Refuse expressions that the emulator cannot evaluate, as the server refuses what does not compile."""
    for number, validation in enumerate(policy["spec"].get("validations") or ()):
        if validation.get("expression") not in ("true", "false"):
            said = f'"{validation.get("expression", "")}"'
            why = f"Invalid value: {said}: compilation failed: the emulator knows only true and false"
            raise invalid(name, policy["kind"], POLICY_GROUP, f"spec.validations[{number}].expression", why)


def _pod(pod: Json) -> Json:
    spec = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "schedulerName": "default-scheduler",
        **(pod.get("spec") or {}),
    }
    return {**pod, "spec": spec, "status": {"phase": "Pending", **(pod.get("status") or {})}}


def _node(node: Json) -> Json:
    spec = dict(node.get("spec") or {})
    # The TaintNodesByCondition admission: a new node takes no pods until its kubelet says it is ready.
    spec["taints"] = [*(spec.get("taints") or []), NOT_READY]
    return {**node, "spec": spec}


def _budget(budget: Json) -> Json:
    zero = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    metadata = {**budget["metadata"], "generation": 1}
    return {**budget, "metadata": metadata, "status": budget.get("status") or zero}


def _attachment(attachment: Json) -> Json:
    return {**attachment, "status": attachment.get("status") or {"attached": False}}


def _namespace(namespace: Json) -> Json:
    return {**namespace, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


DEFAULTS = {
    "pods": _pod,
    "nodes": _node,
    "poddisruptionbudgets": _budget,
    "volumeattachments": _attachment,
    "namespaces": _namespace,
}
MAPS = ("labels", "annotations", "finalizers", "ownerReferences")
OMITTED: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "nodes": (("spec", ("unschedulable", "taints")), ("status", ("conditions",))),
    "poddisruptionbudgets": (("status", ("observedGeneration", "disruptedPods")),),
}
