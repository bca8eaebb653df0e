"""Load balancers with instance targets, and a toy of the controllers that take a node out of them.

The controller sees the exclude label, or that the node is gone, and deregisters the
instance; the target then drains for the deregistration delay, whether connections are
open or not. moto knows neither the state draining nor the passing of its time.

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
"""From the label to the deregistration."""
NOT_REGISTERED = "Instance is not currently registered with the LoadBalancer."
DEREGISTERING = "Instance deregistration currently in progress."


@dataclass
class Balancer:
    """A target group or a classic load balancer, and until when (epoch seconds) each target drains.

    ``targets``: infinity for an instance that is registered. ``tags`` are what GetResources finds it by.
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
        """(epoch seconds, ARN or name) of each question for the health of targets."""
        cluster.store.subscribe(self._on_change)

    def target_group(
        self, name: str, instances: Iterable[str], delay_s: float, *, bound: bool = True, arn: str = ""
    ) -> str:
        """A target group holding ``instances``, with a TargetGroupBinding if ``bound``; its ARN."""
        arn = arn or f"{ARN}targetgroup/{name}/0123456789abcdef"
        self._balancers[arn] = Balancer(arn, delay_s, dict.fromkeys(instances, float("inf")))
        if bound:
            spec = {"targetGroupARN": arn, "targetType": "instance", "serviceRef": {"name": name, "port": 80}}
            self._cluster.create({"kind": "TargetGroupBinding", "metadata": {"name": name}, "spec": spec})
        return arn

    def classic(self, name: str, instances: Iterable[str], delay_s: float, cluster: str) -> None:
        """A classic load balancer that the cloud provider has made for a Service of ``cluster``."""
        arn, tags = f"{ARN}loadbalancer/{name}", {f"kubernetes.io/cluster/{cluster}": "owned"}
        self._balancers[name] = Balancer(arn, delay_s, dict.fromkeys(instances, float("inf")), tags)

    def states(self, instance_id: str) -> dict[str, str]:
        """The instance's state by the name of each load balancer that holds it."""
        held = {key: self._state(one, instance_id) for key, one in self._balancers.items()}
        return {key.split("/")[1] if "/" in key else key: state for key, state in held.items() if state}

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """While this lasts, the account's APIs answer from here."""

        def targets(response: ELBV2Response) -> ActionResult:
            return ActionResult(
                {"TargetHealthDescriptions": self._targets(response._get_param("TargetGroupArn"))}
            )

        def instances(response: ELBResponse) -> ActionResult:
            asked = [one["InstanceId"] for one in response._get_param("Instances", [])]
            return ActionResult(
                {"InstanceStates": self._classic(response._get_param("LoadBalancerName"), asked)}
            )

        def resources(response: ResourceGroupsTaggingAPIResponse) -> ActionResult:
            wanted = {one["Key"] for one in response._get_param("TagFilters", [])}
            found = [one.arn for one in self._balancers.values() if wanted <= one.tags.keys()]
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

    def _classic(self, name: str, asked: list[str]) -> list[Json]:
        words = {"healthy": ("InService", "N/A"), "draining": ("InService", DEREGISTERING)}
        balancer = self._asked(name)
        states = [words.get(self._state(balancer, one), ("OutOfService", NOT_REGISTERED)) for one in asked]
        return [
            {"InstanceId": instance, "State": state, "Description": description, "ReasonCode": "N/A"}
            for instance, (state, description) in zip(asked, states, strict=True)
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
        for one in self._balancers.values():
            if one.targets.get(instance_id) == float("inf"):
                one.targets[instance_id] = self._clock.now() + one.delay_s
