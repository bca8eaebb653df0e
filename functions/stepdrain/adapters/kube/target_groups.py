"""TargetGroupBindings: which target groups the AWS Load Balancer Controller has bound to the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stepdrain.adapters.kube.calls import Calls, optional, understood


class TargetGroups(Calls):
    """Its part of stepdrain.adapters.kube.Kube."""

    def target_group_arns(self) -> list[str]:
        """ARNs of the target groups that hold instances of this cluster, by its TargetGroupBindings.

        Empty if the AWS Load Balancer Controller is not installed, or if we may not list them. Groups of IP
        addresses are left out.
        """

        def read() -> list[str]:
            listed = self._json(
                self._custom.list_cluster_custom_object, "elbv2.k8s.aws", "v1beta1", "targetgroupbindings"
            )
            return [arn for arn in understood(listed.get("items") or (), _arn) if arn]

        return optional(read, [], "The cluster's TargetGroupBindings")


def _arn(binding: Mapping[str, Any]) -> str:
    """The ARN in a binding; "" for one of IP addresses. KeyError if the controller has not filled it in."""
    spec = binding["spec"]
    return str(spec["targetGroupARN"]) if spec.get("targetType", "instance") == "instance" else ""
