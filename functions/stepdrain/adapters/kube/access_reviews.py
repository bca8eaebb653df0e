"""Access reviews and dry runs: what the caller may do, asked without doing it."""

from __future__ import annotations

from collections.abc import Mapping

from stepdrain.adapters.kube.calls import Calls, Json


class AccessReviews(Calls):
    """Its part of stepdrain.adapters.kube.Kube."""

    def may(self, verb: str, resource: str) -> bool:
        """Whether the caller may ``verb`` on ``resource``: ``pods/eviction``, ``daemonsets.apps``.

        For all namespaces. https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/
        """
        path, _, group = resource.partition(".")
        name, _, subresource = path.partition("/")
        attributes = {"verb": verb, "group": group, "resource": name, "subresource": subresource}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        place = ("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
        answer = self._json(self._custom.create_cluster_custom_object, *place, review)
        return bool((answer.get("status") or {}).get("allowed"))

    def try_patch_node(self, name: str, body: Mapping[str, object]) -> Json:
        """PATCH a node as a server-side dry run: admission and all checks, and nothing is stored."""
        return self._json(self._core.patch_node, name, body, dry_run="All")
