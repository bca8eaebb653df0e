"""What a person asks before a drain: who else decides about evictions, and where owners put their pods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kubernetes import client
from stepdrain.adapters.kube.calls import Calls, optional, understood

PLURALS = {"ReplicaSet": "replicasets", "StatefulSet": "statefulsets", "Job": "jobs"}


class Admission(Calls):
    """Its part of stepdrain.adapters.kube.Kube; no function of a drain calls it."""

    def eviction_webhooks(self) -> list[tuple[str, str, int]]:
        """Name, failurePolicy and timeout (seconds) of each webhook that is asked about evictions."""
        api = client.AdmissionregistrationV1Api(self._core.api_client)
        lists = (api.list_validating_webhook_configuration, api.list_mutating_webhook_configuration)
        configurations = [item for method in lists for item in self._configurations(method)]
        return [hook for hooks in understood(configurations, _hooks) for hook in hooks]

    def _configurations(self, method: Callable[..., Any]) -> list[Mapping[str, Any]]:
        return optional(lambda: list(self._json(method)["items"]), [], "The cluster's webhooks")

    def template_of(
        self, group: str, version: str, kind: str, namespace: str, name: str
    ) -> Mapping[str, Any]:
        """The ``spec.template.spec`` of a pod's controller; empty if it has none, or we may not read it."""
        if kind not in PLURALS or not group:
            return {}

        def read() -> Mapping[str, Any]:
            found = self._json(
                self._custom.get_namespaced_custom_object, group, version, namespace, PLURALS[kind], name
            )
            return ((found.get("spec") or {}).get("template") or {}).get("spec") or {}

        return optional(read, {}, f"{kind} {namespace}/{name}")


def _hooks(configuration: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    return [
        (hook["name"], hook.get("failurePolicy") or "Fail", int(hook.get("timeoutSeconds") or 10))
        for hook in configuration.get("webhooks") or ()
        if any(_about_evictions(rule) for rule in hook.get("rules") or ())
    ]


def _about_evictions(rule: Mapping[str, Any]) -> bool:
    """https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-rules"""
    return (
        _names(rule.get("apiGroups"), "", "*")
        and _names(rule.get("operations"), "CREATE", "*")
        and _names(rule.get("resources"), "pods/eviction", "pods/*", "*/eviction", "*/*")
    )


def _names(values: Iterable[str] | None, *wanted: str) -> bool:
    return bool(set(values or ()) & set(wanted))
