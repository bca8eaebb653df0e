"""Who may do what: Roles and bindings (kubernetes/kubernetes plugin/pkg/auth/authorizer/rbac)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from stepdrain_sandbox.kube.resources import BY_KIND, REVIEWS
from stepdrain_sandbox.kube.status import ApiError, details_of, failure, qualified
from stepdrain_sandbox.kube.store import Store

Json = dict[str, Any]
EVERYTHING = "system:masters"


KINDS = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")


@dataclass(frozen=True)
class User:
    """Who sent a request."""

    name: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """What a request wants. ``resource`` includes the subresource: ``pods/eviction``."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str


_DECIDED: WeakKeyDictionary[Store, dict[tuple[User, Attempt], bool]] = WeakKeyDictionary()


def authorize(store: Store, user: User, attempt: Attempt) -> None:
    """Return if the user may; raise the server's 403 if not."""
    if not allowed(store, user, attempt):
        raise forbidden(user, attempt)


def allowed(store: Store, user: User, attempt: Attempt) -> bool:
    """Whether any role bound to the user allows it; to ask for one's own rights is open to all who are known.

    For that a real cluster has the ClusterRole system:basic-user, bound to system:authenticated.
    """
    if EVERYTHING in user.groups or attempt.resource == REVIEWS:
        return True
    with store.lock:
        decided = _decided(store)
        if (user, attempt) not in decided:
            decided[user, attempt] = _bound_to(store, user, attempt)
        return decided[user, attempt]


def _decided(store: Store) -> dict[tuple[User, Attempt], bool]:
    """What was decided since a role or a binding was last changed."""
    if store not in _DECIDED:
        _DECIDED[store] = decided = {}
        for kind in KINDS:
            store.subscribe(lambda _change: decided.clear(), BY_KIND[kind])
    return _DECIDED[store]


def _bound_to(store: Store, user: User, attempt: Attempt) -> bool:
    bound = [(b, "") for b in store.all(BY_KIND["ClusterRoleBinding"])]
    if attempt.namespace:
        local = store.all(BY_KIND["RoleBinding"], attempt.namespace)
        bound += [(binding, attempt.namespace) for binding in local]
    return any(
        _permits(rule, attempt)
        for binding, namespace in bound
        if any(_is(subject, user, namespace) for subject in binding.get("subjects") or ())
        for rule in _rules(store, binding["roleRef"], namespace)
    )


def _is(subject: Json, user: User, namespace: str) -> bool:
    match subject["kind"]:
        case "User":
            return bool(subject["name"] == user.name)
        case "Group":
            return subject["name"] in user.groups
        case _:
            where = subject.get("namespace", namespace)
            return user.name == f"system:serviceaccount:{where}:{subject['name']}"


def _rules(store: Store, reference: Json, namespace: str) -> list[Json]:
    role = store.get(
        BY_KIND[reference["kind"]], namespace if reference["kind"] == "Role" else "", reference["name"]
    )
    return list(role.get("rules") or ()) if role else []


def _permits(rule: Json, attempt: Attempt) -> bool:
    def has(field: str, value: str) -> bool:
        values = rule.get(field) or ()
        return value in values or "*" in values

    names = rule.get("resourceNames")
    return (
        has("verbs", attempt.verb)
        and has("apiGroups", attempt.group)
        and has("resources", attempt.resource)
        and (not names or attempt.name in names)
    )


def forbidden(user: User, attempt: Attempt) -> ApiError:
    """403 as the authorizer words it: without causes, unlike a refusal by admission."""
    plural = attempt.resource.split("/")[0]
    where = f'in the namespace "{attempt.namespace}"' if attempt.namespace else "at the cluster scope"
    what = f'resource "{attempt.resource}" in API group "{attempt.group}"'
    named = f' "{attempt.name}"' if attempt.name else ""
    denied = f'User "{user.name}" cannot {attempt.verb} {what} {where}'
    message = f"{qualified(plural, attempt.group)}{named} is forbidden: {denied}"
    return failure(403, "Forbidden", message, details_of(attempt.name, plural, attempt.group))
