"""POST …/eviction, in the order of kubernetes/kubernetes pkg/registry/core/pod/storage/eviction.go."""

from __future__ import annotations

from typing import Any

from stepdrain_sandbox.kube import deletion, forms
from stepdrain_sandbox.kube.deletion import Options
from stepdrain_sandbox.kube.requests import Target
from stepdrain_sandbox.kube.resources import BY_KIND
from stepdrain_sandbox.kube.status import (
    ApiError,
    bad_request,
    budget_refusal,
    details_of,
    failure,
    not_found,
    success,
)
from stepdrain_sandbox.kube.store import Store

Json = dict[str, Any]
POD, BUDGET = BY_KIND["Pod"], BY_KIND["PodDisruptionBudget"]
VERSIONS = ("policy/v1", "policy/v1beta1")
FORM = (
    ("metadata", dict, "v1.ObjectMeta"),
    ("metadata.name", str, "string"),
    ("metadata.namespace", str, "string"),
    ("deleteOptions", dict, "v1.DeleteOptions"),
    *((f"deleteOptions.{path}", type_, named) for path, type_, named in deletion.FORM),
)
MOST_DISRUPTED = 2000
SYNC_FAILED = "SyncFailed"
TARGET = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "Eviction API: evicting",
}
TWO_BUDGETS = (
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
)


def understood(body: Json, target: Target, query: dict[str, str]) -> Options:
    """The options of an Eviction; raises 400 if it is malformed, or names another pod than the URL."""
    forms.check_version(body, "Eviction", VERSIONS)
    forms.check_fields(body, "Eviction", FORM)
    metadata = body.get("metadata") or {}
    if metadata.get("namespace") not in (None, "", target.namespace):
        raise bad_request(forms.OTHER_NAMESPACE)
    if metadata.get("name") != target.name:
        raise bad_request("name in URL does not match name in Eviction object")
    return deletion.options(body.get("deleteOptions") or {}, query)


def evict(store: Store, namespace: str, name: str, chosen: Options) -> Json:
    """Evict a pod: first the budget, then the precondition, then deletion with grace; returns Success."""
    pod = store.get(POD, namespace, name)
    if pod is None:
        raise not_found(name, "pods")
    # As on the server, the budget is spent before the precondition is checked. It recovers when
    # the disruption controller drops the entry after two minutes.
    _spend(store, pod, chosen)
    deletion.check_preconditions(pod, POD, chosen)
    if not chosen.dry_run:
        _delete(store, pod, chosen)
    return success()


def _delete(store: Store, pod: Json, chosen: Options) -> None:
    conditions = pod["status"].get("conditions") or ()
    target = next((c for c in conditions if c["type"] == TARGET["type"]), {})
    if target.get("status") != "True":
        condition = {**TARGET, "lastTransitionTime": store.timestamp()}
        others = [c for c in conditions if c is not target]
        status = {**pod["status"], "conditions": [*others, condition]}
        pod = store.replace(POD, pod, {**pod, "status": status})
    deletion.delete(store, POD, pod, Options(grace_s=chosen.grace_s))


def _spend(store: Store, pod: Json, chosen: Options) -> None:
    phase = pod["status"].get("phase")
    if phase in ("Succeeded", "Failed", "Pending") or pod["metadata"].get("deletionTimestamp"):
        return
    budgets = [b for b in store.all(BUDGET, pod["metadata"]["namespace"]) if covers(b, pod)]
    if not budgets:
        return
    if len(budgets) > 1:
        raise failure(500, "", TWO_BUDGETS)
    budget = budgets[0]
    if ready(pod) or not _spares_unready(budget):
        _decrement(store, budget, pod, dry_run=chosen.dry_run)


def _spares_unready(budget: Json) -> bool:
    status = budget["status"]
    enough = status["currentHealthy"] >= status["desiredHealthy"] > 0
    return budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow" or enough


def _decrement(store: Store, budget: Json, pod: Json, *, dry_run: bool) -> None:
    name, status = budget["metadata"]["name"], budget["status"]
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise budget_refusal(f"The disruption budget {name} is still being processed by the server.", 10)
    if status["disruptionsAllowed"] < 0:
        raise _forbidden(name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or ()) > MOST_DISRUPTED:
        raise _forbidden(
            name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        )
    if status["disruptionsAllowed"] == 0:
        raise budget_refusal(_cause(name, status))
    disrupted = {**(status.get("disruptedPods") or {}), pod["metadata"]["name"]: store.timestamp()}
    spent = {**status, "disruptionsAllowed": status["disruptionsAllowed"] - 1, "disruptedPods": disrupted}
    if not dry_run:
        store.replace(BUDGET, budget, {**budget, "status": spent})


def _forbidden(name: str, why: str) -> ApiError:
    message = f'poddisruptionbudget.policy "{name}" is forbidden: {why}'
    return failure(403, "Forbidden", message, details_of(name, "poddisruptionbudget", "policy"))


def _cause(name: str, status: Json) -> str:
    failed = next((c for c in status.get("conditions") or () if c.get("reason") == SYNC_FAILED), None)
    if failed is not None:
        why = f"because it failed sync: {failed['message']}"
        return f"The disruption budget {name} does not allow evicting pods currently {why}"
    desired, current = status["desiredHealthy"], status["currentHealthy"]
    if current <= desired:
        return f"The disruption budget {name} needs {desired} healthy pods and has {current} currently"
    return f"The disruption budget {name} does not allow evicting pods currently"


def ready(pod: Json) -> bool:
    """Whether the pod's Ready condition is True."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ())


def covers(budget: Json, pod: Json) -> bool:
    """Whether the budget's selector matches the pod: an empty selector matches all pods, no selector none."""
    selector = budget["spec"].get("selector")
    return selector is not None and selects(selector, pod["metadata"].get("labels") or {})


def selects(selector: Json, labels: dict[str, str]) -> bool:
    """Whether a LabelSelector matches labels."""
    equal = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return equal and all(_fits(expression, labels) for expression in selector.get("matchExpressions") or ())


def _fits(expression: Json, labels: dict[str, str]) -> bool:
    there, values = labels.get(expression["key"]), expression.get("values") or ()
    return {
        "In": there in values,
        "NotIn": there not in values,
        "Exists": there is not None,
        "DoesNotExist": there is None,
    }[expression["operator"]]
