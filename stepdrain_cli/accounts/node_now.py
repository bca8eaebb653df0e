"""What a cluster shows now of the nodes of drains, whose records are as old as their last state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from stepdrain.adapters.kube import Kube
from stepdrain.document.progress import recorded
from stepdrain.errors import DrainError
from stepdrain.rules import node_marks, pods
from stepdrain.rules.pods import Action
from stepdrain.rules.policy import Policy

from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.drains import Standing
from stepdrain_cli.accounts.installation import cluster_of


@dataclass(frozen=True)
class NodeNow:
    """The pods (``namespace/name``) that a drain of the node moves, and whether its marks are all gone."""

    staying: frozenset[str]
    leaving: frozenset[str]
    bare: bool
    """Nothing that a drain has set is left on the node, so there is nothing to undo."""

    def to_document(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {"staying": sorted(self.staying), "leaving": sorted(self.leaving), "undone": self.bare}


class Nodes:
    """Asks clusters in the name of whoever types; one that gave no answer is not asked again."""

    def __init__(self, account: Account) -> None:
        self._client = cache(lambda cluster: cluster_of(account, cluster))
        self._unanswered: set[str] = set()

    def now(self, found: Standing) -> NodeNow | None:
        """A drain's node; None where it has none, its cluster gave no answer, or its instance was let go."""
        node, cluster = found.line.document.get("node") or {}, found.line.document.get("cluster")
        let_go = found.drain.status == "SUCCEEDED" and found.drain.held
        if let_go or not node or not cluster or cluster in self._unanswered:
            return None
        try:
            return _look(self._client(cluster), found, node)
        except DrainError:
            self._unanswered.add(cluster)
            return None


def _look(cluster: Kube, found: Standing, node: dict[str, Any]) -> NodeNow:
    there = cluster.node(node["name"])
    if there is None or there["metadata"]["uid"] != node["uid"]:
        # Names of nodes are used again: what is on a successor is not this drain's.
        return NodeNow(frozenset(), frozenset(), bare=True)
    policy = Policy.from_document(found.line.document.get("policy") or {})
    orphans = (recorded(found.line.document) or {}).get("orphans", ())
    sorted_pods = pods.sort(cluster.pods_on(node["name"]).pods, policy, orphans)
    return NodeNow(
        frozenset(pod.key for action in (Action.EVICT, Action.REFUSE) for pod in sorted_pods[action]),
        frozenset(pod.key for pod in sorted_pods[Action.WAIT]),
        bare=not node_marks.marks_of(there).owners,
    )
