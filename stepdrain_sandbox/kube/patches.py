"""The three kinds of PATCH. Merge is RFC 7386, JSON patch RFC 6902 (library jsonpatch).

Strategic merge: kubernetes/community, contributors/devel/sig-api-machinery/strategic-merge-patch.md.
Lists merge by key only where Kubernetes says so; a Node's taints do not, they are atomic.
"""

from __future__ import annotations

import json
from typing import Any

import jsonpatch

from stepdrain_sandbox.kube.status import ApiError, bad_request, failure

Json = dict[str, Any]
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
MERGE_KEYS = {
    "conditions": "type",
    "addresses": "type",
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ownerReferences": "uid",
    "imagePullSecrets": "name",
}


def apply(obj: Json, content_type: str, body: bytes) -> Json:
    """The patched object; raises the API server's 400, 415 or 422."""
    if content_type not in (MERGE, JSON_PATCH, STRATEGIC):
        raise failure(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
    try:
        patch = json.loads(body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if content_type == JSON_PATCH:
        return _json_patch(obj, patch)
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: json: cannot unmarshal into Go value of type object")
    return merge(obj, patch) if content_type == MERGE else strategic(obj, patch)


def _json_patch(obj: Json, patch: Any) -> Json:
    try:
        patched: Json = jsonpatch.apply_patch(obj, patch)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError) as error:
        raise rejected() from error
    return patched


def rejected() -> ApiError:
    """422 for a patch that is well formed and cannot be applied."""
    return failure(422, "Invalid", "the server rejected our request due to an error in our request", {})


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(target: Any, patch: Any) -> Any:
    """As merge, but lists with a merge key are merged item by item."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith("$setElementOrder/") or key == "$retainKeys":
            continue
        if value is None:
            result.pop(key, None)
        elif isinstance(value, list):
            result[key] = _list(key, result.get(key) or [], value)
        else:
            result[key] = strategic(result.get(key), value)
    return result


def _list(field: str, target: list[Any], patch: list[Any]) -> list[Any]:
    key = MERGE_KEYS.get(field)
    if key is None:
        if any(isinstance(item, dict) and "$patch" in item for item in patch):
            raise rejected()
        return patch
    merged = {item[key]: item for item in target}
    for item in patch:
        if item.get("$patch") == "delete":
            merged.pop(item[key], None)
        else:
            merged[item[key]] = strategic(merged.get(item[key]), item)
    return list(merged.values())
