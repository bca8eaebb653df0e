"""Load balancers with instance targets, and a simple controller that removes nodes from them.

The controller deregisters an instance when its node has the exclude label or is gone. The
target then drains for the deregistration delay, whether connections are open or not. moto
has neither the state draining nor its duration.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
    kubernetes-sigs/aws-load-balancer-controller pkg/backend/endpoint_utils.go
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from moto.core.responses import ActionResult
from moto.elb.responses import ELBResponse
from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.responses import ELBV2Response
from moto.resourcegroupstaggingapi.responses import ResourceGroupsTaggingAPIResponse

from stepdrain_sandbox.clock import Clock
from stepdrain_sandbox.kube.cluster import Cluster
from stepdrain_sandbox.kube.store import Change

Json = dict[str, Any]
ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:"
LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
CONTROLLER_S = 1.0
"""Seconds from the label to the deregistration."""
NOT_REGISTERED = "Instance is not currently registered with the LoadBalancer."
DEREGISTERING = "Instance deregistration currently in progress."


@dataclass
class Balancer:
    """A target group or a classic load balancer.

    ``targets``: instance id to the end of its draining (epoch seconds), infinity while it is registered.
    GetResources filters by ``tags``.
    """

    arn: str
    delay_s: float
    targets: dict[str, float]
    tags: dict[str, str] = field(default_factory=dict)


class LoadBalancers:
    """All load balancers of the account."""

    def __init__(self, clock: Clock, cluster: Cluster) -> None:
        self._clock, self._cluster = clock, cluster
        self._balancers: dict[str, Balancer] = {}
        self.calls: list[tuple[float, str]] = []
        """(epoch seconds, ARN or name) of each request for target or instance health."""
        cluster.store.subscribe(self._on_change)

    def target_group(
        self, name: str, instances: Iterable[str], delay_s: float, *, bound: bool = True, arn: str = ""
    ) -> str:
        """Create a target group with ``instances``, and its binding if ``bound``; returns the ARN."""
        arn = arn or f"{ARN}targetgroup/{name}/0123456789abcdef"
        self._balancers[arn] = Balancer(arn, delay_s, dict.fromkeys(instances, float("inf")))
        if bound:
            spec = {"targetGroupARN": arn, "targetType": "instance", "serviceRef": {"name": name, "port": 80}}
            self._cluster.create({"kind": "TargetGroupBinding", "metadata": {"name": name}, "spec": spec})
        return arn

    def classic(self, name: str, instances: Iterable[str], delay_s: float, cluster: str) -> None:
        """Create a classic load balancer as the cloud provider does for a Service of ``cluster``."""
        arn, tags = f"{ARN}loadbalancer/{name}", {f"kubernetes.io/cluster/{cluster}": "owned"}
        self._balancers[name] = Balancer(arn, delay_s, dict.fromkeys(instances, float("inf")), tags)

    def states(self, instance_id: str) -> dict[str, str]:
        """The instance's state by the name of each load balancer that lists it."""
        states = {key: self._state(balancer, instance_id) for key, balancer in self._balancers.items()}
        return {key.split("/")[1] if "/" in key else key: state for key, state in states.items() if state}

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Inside this context, this object answers the account's load balancer APIs."""

        def targets(response: ELBV2Response) -> ActionResult:
            return ActionResult(
                {"TargetHealthDescriptions": self._targets(response._get_param("TargetGroupArn"))}
            )

        def instances(response: ELBResponse) -> ActionResult:
            ids = [instance["InstanceId"] for instance in response._get_param("Instances", [])]
            states = self._classic(response._get_param("LoadBalancerName"), ids)
            return ActionResult({"InstanceStates": states})

        def resources(response: ResourceGroupsTaggingAPIResponse) -> ActionResult:
            wanted = {tag_filter["Key"] for tag_filter in response._get_param("TagFilters", [])}
            found = [balancer.arn for balancer in self._balancers.values() if wanted <= balancer.tags.keys()]
            return ActionResult(
                {"ResourceTagMappingList": [{"ResourceARN": arn, "Tags": []} for arn in found]}
            )

        with (
            mock.patch.object(ELBV2Response, "describe_target_health", targets),
            mock.patch.object(ELBResponse, "describe_instance_health", instances),
            mock.patch.object(ResourceGroupsTaggingAPIResponse, "get_resources", resources),
        ):
            yield

    def _asked(self, name: str) -> Balancer:
        self.calls.append((self._clock.now(), name))
        if name not in self._balancers:
            raise ELBClientError("TargetGroupNotFound", "One or more target groups not found")
        return self._balancers[name]

    def _targets(self, arn: str) -> list[Json]:
        group = self._asked(arn)
        states = {instance: self._state(group, instance) for instance in group.targets}
        return [
            {"Target": {"Id": instance, "Port": 30080}, "TargetHealth": {"State": state}}
            for instance, state in states.items()
            if state
        ]

    def _classic(self, name: str, instance_ids: list[str]) -> list[Json]:
        words = {"healthy": ("InService", "N/A"), "draining": ("InService", DEREGISTERING)}
        balancer = self._asked(name)
        states = [
            words.get(self._state(balancer, instance_id), ("OutOfService", NOT_REGISTERED))
            for instance_id in instance_ids
        ]
        return [
            {"InstanceId": instance, "State": state, "Description": description, "ReasonCode": "N/A"}
            for instance, (state, description) in zip(instance_ids, states, strict=True)
        ]

    def _state(self, balancer: Balancer, instance_id: str) -> str:
        until = balancer.targets.get(instance_id, 0.0)
        if until == float("inf"):
            return "healthy"
        return "draining" if until > self._clock.now() else ""

    def _on_change(self, change: Change) -> None:
        if change.resource.kind != "Node":
            return
        labels = change.object["metadata"].get("labels") or {}
        if change.type == "DELETED" or LABEL in labels:
            instance_id = str(change.object["spec"].get("providerID", "")).rsplit("/", 1)[-1]
            self._clock.call_at(self._clock.now() + CONTROLLER_S, lambda: self._deregister(instance_id))

    def _deregister(self, instance_id: str) -> None:
        for balancer in self._balancers.values():
            if balancer.targets.get(instance_id) == float("inf"):
                balancer.targets[instance_id] = self._clock.now() + balancer.delay_s
