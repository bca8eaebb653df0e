"""What decides which pods may leave: disruption budgets, and the DaemonSets that exist."""

from __future__ import annotations

from stepdrain.adapters.kube.calls import Calls, optional, understood
from stepdrain.rules import budgets
from stepdrain.rules.budgets import Budget


class Budgets(Calls):
    """Its part of stepdrain.adapters.kube.Kube."""

    def budgets(self) -> list[Budget]:
        """All disruption budgets, in one request; one that cannot be read is left to the server."""
        listed = self._json(self._policy.list_pod_disruption_budget_for_all_namespaces)
        return list(understood(listed["items"], budgets.parse))

    def daemonsets(self) -> set[tuple[str, str]] | None:
        """Namespace and name of all DaemonSets, in one request; None if we may not know."""

        def read() -> set[tuple[str, str]]:
            listed = self._json(self._apps.list_daemon_set_for_all_namespaces)
            return {(raw["metadata"]["namespace"], raw["metadata"]["name"]) for raw in listed["items"]}

        return optional(read, None, "Whether DaemonSets exist")
