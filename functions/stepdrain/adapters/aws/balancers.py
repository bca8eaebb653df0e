"""Elastic Load Balancing: which load balancers may send an instance traffic, and whether they still do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stepdrain.adapters.aws.calls import Clients, call_unless, pages
from stepdrain.adapters.concurrent import ask_each

WORKERS = 8
"""Requests in flight at once."""


class Balancers(Clients):
    """Its part of stepdrain.adapters.aws.Aws."""

    def balancers_of(self, cluster: str) -> list[str]:
        """ARNs of the target groups and load balancers that the cluster's cloud provider made."""
        answers = pages(
            self._client("resourcegroupstaggingapi"),
            "get_resources",
            "PaginationToken",
            ResourceTypeFilters=["elasticloadbalancing:targetgroup", "elasticloadbalancing:loadbalancer"],
            TagFilters=[{"Key": f"kubernetes.io/cluster/{cluster}"}],
        )
        return [mapping["ResourceARN"] for page in answers for mapping in page["ResourceTagMappingList"]]

    def target_states(self, target_groups: Sequence[str], instance_id: str) -> dict[str, str]:
        """The instance's state by ARN of each target group that lists it; one call for each group."""
        client = self._client("elbv2")
        states = _each(target_groups, lambda arn: _target_state(client, arn, instance_id))
        return {arn: state for arn, state in states if state}

    def classic_states(self, names: Sequence[str], instance_id: str) -> dict[str, str]:
        """The instance's state description by name of each classic load balancer; one call for each."""
        client = self._client("elb")
        states = _each(names, lambda name: _classic_state(client, name, instance_id))
        return {name: state for name, state in states if state}


def _each(names: Sequence[str], ask: Callable[[str], str]) -> list[tuple[str, str]]:
    return list(zip(names, ask_each(ask, names, WORKERS), strict=True))


def _target_state(client: Any, arn: str, instance_id: str) -> str:
    # No filter by target: it needs the port, and a deregistered target would be an error.
    answer = call_unless(client, "describe_target_health", "TargetGroupNotFound", TargetGroupArn=arn) or {}
    of_instance = [
        str(description["TargetHealth"]["State"])
        for description in answer.get("TargetHealthDescriptions", ())
        if description["Target"]["Id"] == instance_id
    ]
    # A target group can list an instance several times, once for each port.
    return next((state for state in of_instance if "draining" in state), (of_instance or [""])[0])


def _classic_state(client: Any, name: str, instance_id: str) -> str:
    instances = [{"InstanceId": instance_id}]
    absent = ("LoadBalancerNotFound", "InvalidInstance")
    answer = call_unless(
        client, "describe_instance_health", *absent, LoadBalancerName=name, Instances=instances
    )
    return next((str(state["Description"]) for state in (answer or {}).get("InstanceStates", ())), "")
