"""Checks the form of request bodies: a body that does not decode is a 400 before any other check.

kubernetes/apiserver pkg/endpoints/handlers/create.go and rest.go (transformDecodeError). Go's decoder is
strict about types: a number in quotes is not a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stepdrain_sandbox.kube.status import ApiError, bad_request, failure

Json = dict[str, Any]
Field = tuple[str, type, str]
"""A field's path, its type in JSON, and its type in Go."""
OTHER_NAMESPACE = "the namespace of the provided object does not match the namespace sent on the request"
SCHEME = "pkg/api/legacyscheme/scheme.go:30"
GO = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}


def check_version(body: Json, kind: str, versions: tuple[str, ...]) -> None:
    """Raise 400 for a body of another kind or version; a body without them passes."""
    version, said = body.get("apiVersion") or versions[0], body.get("kind") or kind
    if version not in versions:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({versions[0]})"
        )
    if said != kind:
        unknown = f'no kind "{said}" is registered for version "{version}" in scheme "{SCHEME}"'
        raise bad_request(
            f'{said} in version "{version.split("/")[-1]}" cannot be handled as a {kind}: {unknown}'
        )


def check_fields(body: Json, kind: str, fields: Iterable[Field]) -> None:
    """Raise 400 for a field of another type; null counts as absent."""
    for path, type_, named in fields:
        value: Any = body
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        wrong = type(value) is not type_ if type_ is int else not isinstance(value, type_)
        if value is not None and wrong:
            raise bad_request(
                f'{kind} in version "v1" cannot be handled as a {kind}: json: cannot unmarshal '
                f"{GO[type(value)]} into Go struct field {kind}.{path} of type {named}"
            )


def check_dry_run(said: Iterable[str], options: str) -> None:
    """Raise 422 for a dryRun value other than All."""
    for value in said:
        if value != "All":
            why = f'Unsupported value: "{value}": supported values: "All"'
            raise _invalid_options(options, why)


def _invalid_options(options: str, why: str) -> ApiError:
    cause = {"reason": "FieldValueNotSupported", "message": why, "field": "dryRun"}
    details = {"group": "meta.k8s.io", "kind": options, "causes": [cause]}
    return failure(422, "Invalid", f'{options}.meta.k8s.io "" is invalid: dryRun: {why}', details)
