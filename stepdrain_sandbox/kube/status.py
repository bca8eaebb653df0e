"""Refusals in the API server's own form: a Status object with the words that clients look for.

Form and reasons: kubernetes/apimachinery, pkg/api/errors/errors.go.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class ApiError(Exception):
    """A refusal: HTTP status, body (Status object, or text that is sent as text/plain), headers."""

    def __init__(self, status: int, body: Json | str, headers: dict[str, str] | None = None) -> None:
        super().__init__(body if isinstance(body, str) else body.get("message", ""))
        self.status = status
        self.body = body
        self.headers = headers or {}


def failure(code: int, reason: str, message: str, details: Json | None = None) -> ApiError:
    """A Status with ``status: Failure``; ``details`` as the API server fills them."""
    body: Json = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "code": code,
    }
    if reason:
        body["reason"] = reason
    if details is not None:
        body["details"] = details
    return ApiError(code, body)


def success() -> Json:
    """The Status that an accepted eviction is answered with."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def details_of(name: str, plural: str, group: str = "") -> Json:
    """``details`` that name an object; absent parts stay absent."""
    return {key: value for key, value in (("name", name), ("group", group), ("kind", plural)) if value}


def qualified(plural: str, group: str) -> str:
    """``poddisruptionbudgets.policy``, as messages name a resource."""
    return f"{plural}.{group}" if group else plural


def not_found(name: str, plural: str, group: str = "") -> ApiError:
    message = f'{qualified(plural, group)} "{name}" not found'
    return failure(404, "NotFound", message, details_of(name, plural, group))


def already_exists(name: str, plural: str, group: str = "") -> ApiError:
    message = f'{qualified(plural, group)} "{name}" already exists'
    return failure(409, "AlreadyExists", message, details_of(name, plural, group))


def conflict(name: str, kind: str, why: str, group: str = "") -> ApiError:
    """409; ``kind`` is the plural for stale versions and the Kind for broken preconditions."""
    message = f'Operation cannot be fulfilled on {qualified(kind, group)} "{name}": {why}'
    return failure(409, "Conflict", message, details_of(name, kind, group))


def invalid(name: str, kind: str, group: str, field: str, why: str) -> ApiError:
    """422 with one cause."""
    details = details_of(name, kind, group)
    details["causes"] = [{"reason": "FieldValueInvalid", "message": why, "field": field}]
    return failure(422, "Invalid", f'{kind} "{name}" is invalid: {field}: {why}', details)


def bad_request(message: str) -> ApiError:
    return failure(400, "BadRequest", message)


def expired(version: int, oldest: int) -> ApiError:
    """410 for a watch from a version that is no longer remembered."""
    return failure(410, "Expired", f"too old resource version: {version} ({oldest})")


def overloaded() -> ApiError:
    """API priority and fairness refuses in text (kubernetes/apiserver pkg/server/filters/maxinflight.go)."""
    return ApiError(429, "Too many requests, please try again later.\n", {"Retry-After": "1"})


def internal_error(why: str) -> ApiError:
    return failure(500, "InternalError", f"Internal error occurred: {why}", {"causes": [{"message": why}]})


def unknown_resource() -> ApiError:
    return failure(404, "NotFound", "the server could not find the requested resource", {})


def unknown_path() -> ApiError:
    return ApiError(404, "404 page not found")


def method_not_allowed() -> ApiError:
    message = "the server does not allow this method on the requested resource"
    return failure(405, "MethodNotAllowed", message, {})


def unauthorized() -> ApiError:
    return failure(401, "Unauthorized", "Unauthorized")


def namespace_terminating(name: str, plural: str, namespace: str) -> ApiError:
    """Nothing new comes into a namespace that is being deleted, not even an eviction."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    details = details_of(name, plural)
    details["causes"] = [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
    ]
    return failure(403, "Forbidden", f'{plural} "{name}" is forbidden: {why}', details)


def budget_refusal(cause: str, retry_after_s: int | None = None) -> ApiError:
    """429 of the Eviction API; Retry-After only where the server knows when to ask again."""
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    details: Json = {"causes": [{"reason": "DisruptionBudget", "message": cause}]}
    if retry_after_s is not None:
        details["retryAfterSeconds"] = retry_after_s
    error = failure(429, "TooManyRequests", message, details)
    if retry_after_s is not None:
        error.headers["Retry-After"] = str(retry_after_s)
    return error
