"""Label and field selectors of list and watch requests.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ and …/field-selectors/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from stepdrain_sandbox.kube.resources import Resource
from stepdrain_sandbox.kube.status import bad_request

Json = dict[str, Any]
Predicate = Callable[[Json], bool]
FIELDS: Mapping[str, tuple[str, ...]] = {
    "pods": ("spec.nodeName", "status.phase", "spec.restartPolicy", "spec.schedulerName"),
    "nodes": ("spec.unschedulable",),
    "events": (
        "involvedObject.kind",
        "involvedObject.name",
        "involvedObject.namespace",
        "involvedObject.uid",
        "reason",
        "type",
    ),
    "namespaces": ("status.phase",),
}
REQUIREMENT = re.compile(
    r"\s*(!?)\s*([\w./-]+)\s*(?:(==?|!=)\s*([\w.-]*)|\s(in|notin)\s*\(([^)]*)\))?\s*(?:,|$)"
)


def by_labels(text: str) -> Predicate:
    """A predicate for ``a=b,c!=d,e in (f,g),h,!i``."""
    requirements = [match.groups() for match in REQUIREMENT.finditer(text) if match[2]]

    def fits(obj: Json) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(_fits(labels, *requirement) for requirement in requirements)

    return fits


def _fits(
    labels: Mapping[str, str], bang: str, key: str, sign: str | None, value: str, word: str | None, many: str
) -> bool:
    if sign:
        return (labels.get(key) == value) is (sign != "!=")
    if word:
        return (labels.get(key) in [value.strip() for value in many.split(",")]) is (word == "in")
    return (key in labels) is not bool(bang)


def by_fields(text: str, resource: Resource) -> Predicate:
    """A predicate for ``spec.nodeName=a,status.phase!=Succeeded``; 400 for an unknown field."""
    known = ("metadata.name", "metadata.namespace", *FIELDS.get(resource.plural, ()))
    requirements = []
    for part in filter(None, text.split(",")):
        path, sign, value = re.split(r"(!=|==?)", part, maxsplit=1)
        if path not in known:
            raise _unknown(path, resource)
        requirements.append(_requirement(path.split("."), sign != "!=", value))
    if len(requirements) == 1:
        return requirements[0]
    return lambda obj: all(fits(obj) for fits in requirements)


def node_of(text: str) -> str | None:
    """The node whose pods a field selector chooses, None if it does not ask for one node's."""
    return _exactly(text, "spec.nodeName")


def name_of(text: str) -> str:
    """The one object that a field selector chooses by its name, "" if it does not."""
    return _exactly(text, "metadata.name") or ""


def _exactly(text: str, field: str) -> str | None:
    parts = (
        re.split(r"==?", part, maxsplit=1) for part in text.split(",") if "=" in part and "!=" not in part
    )
    return next((part[1] for part in parts if part[0] == field), None)


def _requirement(path: list[str], wanted: bool, value: str) -> Predicate:
    return lambda obj: (_field(obj, path) == value) is wanted


def _unknown(path: str, resource: Resource) -> Exception:
    if resource.plural in FIELDS:
        return bad_request(f"field label not supported: {path}")
    only = '"metadata.name", "metadata.namespace"'
    return bad_request(f'"{path}" is not a known field selector: only {only}')


def _field(obj: Json, path: list[str]) -> str:
    value: Any = obj
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
