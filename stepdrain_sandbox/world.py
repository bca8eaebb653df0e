"""The whole world in one process: a cluster, an account with the stack in it, and one clock.

with World() as world:
    instance = next(iter(world.instances))
    world.terminate(instance)
    world.settle()
    assert world.executions()[0]["status"] == "SUCCEEDED"
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import yaml
from moto import backends

from stepdrain_deployed import MANIFESTS, TEMPLATE
from stepdrain_sandbox.aws.account import ACCOUNT, REGION, Account, access_key
from stepdrain_sandbox.aws.load_balancers import LoadBalancers
from stepdrain_sandbox.clock import Clock, VirtualClock
from stepdrain_sandbox.kube import shared_connections
from stepdrain_sandbox.kube.discovery import base64_of
from stepdrain_sandbox.kube.eks_token import EksTokens
from stepdrain_sandbox.kube.rbac import EVERYTHING, User
from stepdrain_sandbox.kube.server import KubeServer
from stepdrain_sandbox.rollout_witness import RolloutWitness
from stepdrain_sandbox.witness import Witness

Json = dict[str, Any]
Workload = Callable[[Sequence[str]], Iterable[Json]]
CLUSTER, GROUP, HOOK, LAUNCH_HOOK = "demo", "workers", "stepdrain", "stepdrain-launch"
OPERATOR_KEY = "FOOBARKEY"
"""The access key of moto's mock, for people who type commands: the cluster's administrator."""
A_MOMENT_S = 0.001
"""Passes only when nobody has work left to do."""


class World:
    """A cluster of ``nodes`` (a count) self-managed nodes in one Auto Scaling group with our hook.

    ``workload`` takes the nodes' names and returns manifests; ``parameters`` go to the template, which makes
    the hooks if they say so; otherwise ``hook`` changes the values of the one that is made by hand; ``tags``
    are the group's; ``rbac`` are Stepdrain's RBAC manifests, by default those that an operator applies for
    these parameters.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        nodes: int = 3,
        workload: Workload | None = None,
        parameters: Mapping[str, str] | None = None,
        hook: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        retain: bool = False,
        template: Path = TEMPLATE,
        rbac: Iterable[Json] | None = None,
    ) -> None:
        self.clock = clock or VirtualClock()
        self._own_clock = clock is None
        self._node_count, self._workload = nodes, workload
        self._hook, self._tags = dict(hook or {}), dict(tags or {})
        self._retain = retain
        self._users: dict[str, User] = {}
        self.kube = KubeServer(self.clock, authenticate=EksTokens(CLUSTER, self._users))
        self.witness = Witness()
        self.rollout_witness = RolloutWitness(self.clock.now)
        for witness in (self.witness, self.rollout_witness):
            self.kube.cluster.store.subscribe(witness.see)
        chosen = {"ClusterName": CLUSTER, "GroupNames": GROUP, "HookName": HOOK, **(parameters or {})}
        self.aws = Account(self.clock, template, chosen, self.power_off)
        self._rbac = rbac_manifests(chosen) if rbac is None else list(rbac)
        self.balancers = LoadBalancers(self.clock, self.kube.cluster)
        self.instances: dict[str, str] = {}
        """Instance id to node name."""
        self.terminated: list[str] = []
        """Ids of the instances that ``terminate`` was called for."""
        self.aws.hooks.launched = self._booting
        self.boots_after_s: float | None = 60.0
        """Seconds from a launch to the node; None: it never joins the cluster."""
        self._clients: dict[str, Any] = {}
        self._running = False

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(service, region_name=REGION)
        return self._clients[service]

    def __enter__(self) -> World:
        with contextlib.ExitStack() as opened:
            opened.callback(self._close_clock)
            # The thread that opens the world is an actor: otherwise time would pass while it works.
            self.clock.enter()
            opened.callback(self.clock.leave)
            opened.callback(self.kube.stop)
            self.kube.start()
            self.aws.invocation = self.kube.callers.invocation
            opened.enter_context(self.kube.callers.marking())
            if isinstance(self.clock, VirtualClock):
                opened.enter_context(shared_connections.shared())
            opened.enter_context(self.aws)
            self._users |= self.aws.users() | {OPERATOR_KEY: User("operator", (EVERYTHING,))}
            opened.enter_context(self.balancers.answering())
            self._make_cluster()
            self._make_group()
            self._load()
            # All went well: keep everything open until __exit__.
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def _close_clock(self) -> None:
        if self._own_clock and isinstance(self.clock, VirtualClock):
            self.clock.close()

    def _make_cluster(self) -> None:
        self._client("eks").create_cluster(
            name=CLUSTER, roleArn=f"arn:aws:iam::{ACCOUNT}:role/eks", resourcesVpcConfig={"subnetIds": []}
        )
        cluster = backends.get_backend("eks")[ACCOUNT][REGION].clusters[CLUSTER]
        # moto invents these; the emulator answers at its own.
        cluster.endpoint = self.kube.url
        cluster.certificate_authority = {"data": base64_of(self.kube.ca_pem)}

    def _make_group(self) -> None:
        auto_scaling, ec2 = self._client("autoscaling"), self._client("ec2")
        image = ec2.register_image(Name="node")["ImageId"]
        ec2.create_launch_template(
            LaunchTemplateName="workers", LaunchTemplateData={"ImageId": image, "InstanceType": "m5.large"}
        )
        tags = {f"kubernetes.io/cluster/{CLUSTER}": "owned", **self._tags}
        count = self._node_count
        auto_scaling.create_auto_scaling_group(
            AutoScalingGroupName=GROUP,
            LaunchTemplate={"LaunchTemplateName": "workers"},
            MinSize=0,
            MaxSize=count,
            DesiredCapacity=count,
            AvailabilityZones=[f"{REGION}a"],
            InstanceLifecyclePolicy={
                "RetentionTriggers": {"TerminateHookAbandon": "retain" if self._retain else "terminate"}
            },
            Tags=[{"Key": key, "Value": value, "PropagateAtLaunch": True} for key, value in tags.items()],
        )
        by_hand = {
            "AutoScalingGroupName": GROUP,
            "LifecycleHookName": HOOK,
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
            "HeartbeatTimeout": 1800,
            "DefaultResult": "CONTINUE",
            **self._hook,
        }
        for hook in self.aws.deployment.hooks or [by_hand]:
            auto_scaling.put_lifecycle_hook(**hook)
        # Not by DescribeInstances, whose long answer takes a tenth of a world's start.
        for instance in backends.get_backend("ec2")[ACCOUNT][REGION].all_instances():
            self.instances[instance.id] = instance.private_dns_name

    def _load(self) -> None:
        self.kube.cluster.load(self._rbac)
        for instance_id, name in self.instances.items():
            self.kube.cluster.create(node_manifest(name, instance_id))
        # All kubelets report before anything is scheduled: otherwise the first node would get every pod.
        self.pass_time(0.1)
        if self._workload is not None:
            self.kube.cluster.load(self._workload(list(self.instances.values())))
        self._await_workload()
        self._running = True

    def _await_workload(self, within_s: int = 60) -> None:
        self.pass_time(2)  # The controllers create their pods first.
        for _ in range(within_s):
            self.pass_time(1)
            if all(pod["status"].get("phase") == "Running" for pod in self.kube.cluster.list("Pod")):
                return
        raise AssertionError(f"Not all pods of the workload run after {within_s} s.")

    def _booting(self, instance_id: str, name: str) -> None:
        """A machine was launched: after a while its kubelet registers the node, and DaemonSet pods start."""
        if not self._running or self.boots_after_s is None:
            return
        self.instances[instance_id] = name
        self.clock.call_at(self.clock.now() + self.boots_after_s, lambda: self._boot(instance_id, name))

    def _boot(self, instance_id: str, name: str) -> None:
        self.kube.cluster.create(node_manifest(name, instance_id))
        pods = [pod for pod in self._manifests([name]) if pod["kind"] == "Pod"]
        for pod in pods:
            pod["metadata"]["name"] += f"-{instance_id[-5:]}"
        self.kube.cluster.load(pods)

    def _manifests(self, nodes: Sequence[str]) -> list[Json]:
        return list(self._workload(nodes)) if self._workload is not None else []

    def power_off(self, instance_id: str) -> None:
        """The machine is off: its Node and its pods vanish."""
        name, cluster = self.instances.get(instance_id), self.kube.cluster
        with cluster.store.lock:
            if name is not None and cluster.get("Node", name) is not None:
                self.witness.machine_off(instance_id, self.pods_on(name))
                cluster.power_off(name)

    def leave_out(self, function: str, group: str) -> None:
        """Remove a function (logical id) from a Kubernetes group, as if its access entry did not name it."""
        key = access_key(function)
        user = self._users[key]
        self._users[key] = User(user.name, tuple(name for name in user.groups if name != group))

    def pods_on(self, node: str) -> list[Json]:
        """The pods bound to a node."""
        return self.kube.cluster.pods_on(node)

    def terminate(self, instance_id: str) -> None:
        """Let Auto Scaling terminate an instance without replacing it."""
        self.terminated.append(instance_id)
        self._client("autoscaling").terminate_instance_in_auto_scaling_group(
            InstanceId=instance_id, ShouldDecrementDesiredCapacity=True
        )

    def replace(self, instance_id: str) -> None:
        """Let Auto Scaling terminate an instance and launch another, as an instance refresh does."""
        self._client("autoscaling").terminate_instance_in_auto_scaling_group(
            InstanceId=instance_id, ShouldDecrementDesiredCapacity=False
        )

    def add_launch_hook(self, **changes: Any) -> None:
        """Put our launch hook on the group; from now on it holds launched instances."""
        self._client("autoscaling").put_lifecycle_hook(
            **{
                "AutoScalingGroupName": GROUP,
                "LifecycleHookName": LAUNCH_HOOK,
                "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
                "HeartbeatTimeout": 1800,
                "DefaultResult": "CONTINUE",
                **changes,
            }
        )

    def scale_out(self) -> str:
        """Let Auto Scaling launch one more instance; returns its id."""
        auto_scaling = self._client("autoscaling")
        group = self._group()
        before = {instance["InstanceId"] for instance in group["Instances"]}
        wanted = group["DesiredCapacity"] + 1
        auto_scaling.update_auto_scaling_group(AutoScalingGroupName=GROUP, MaxSize=wanted)
        auto_scaling.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=wanted)
        (launched,) = {instance["InstanceId"] for instance in self._group()["Instances"]} - before
        return str(launched)

    def _group(self) -> Json:
        found = self._client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])
        return dict(found["AutoScalingGroups"][0])

    def lifecycle_state(self, instance_id: str) -> str:
        """The instance's lifecycle state; "" once it is gone."""
        auto_scaling = self._client("autoscaling")
        found = auto_scaling.describe_auto_scaling_instances(InstanceIds=[instance_id])[
            "AutoScalingInstances"
        ]
        return str(found[0]["LifecycleState"]) if found else ""

    def dead_letters(self) -> list[Json]:
        """The events in the dead-letter queue: those that StartDrain could not process."""
        sqs, letters = self._client("sqs"), []
        url = self.aws.deployment.queues["DeadLetters"]
        options = {"MaxNumberOfMessages": 10, "VisibilityTimeout": 0}
        for message in sqs.receive_message(QueueUrl=url, **options).get("Messages", ()):
            letter = json.loads(message["Body"])
            # A queue's or a rule's letter is the event itself; Lambda's has it in requestPayload.
            letters.append(letter.get("requestPayload", letter))
        return letters

    @property
    def machine(self) -> str:
        """The ARN of DrainNode."""
        return self.aws.deployment.state_machines["DrainNode"]

    def executions(self, machine: str = "DrainNode") -> list[Json]:
        """All executions of a state machine in the form of DescribeExecution, oldest first."""
        client = self._client("stepfunctions")
        arn = self.aws.deployment.state_machines[machine]
        pages = client.get_paginator("list_executions").paginate(stateMachineArn=arn)
        arns = [execution["executionArn"] for page in pages for execution in page["executions"]]
        described = [client.describe_execution(executionArn=arn) for arn in arns]
        return sorted(described, key=lambda execution: (execution["startDate"], execution["name"]))

    def history(self, execution_arn: str) -> list[Json]:
        """The events of GetExecutionHistory."""
        return self.aws.history(execution_arn)

    def start(self, name: str, document: Json) -> str:
        """Start DrainNode by hand; returns the execution's ARN."""
        client = self._client("stepfunctions")
        started = client.start_execution(stateMachineArn=self.machine, name=name, input=json.dumps(document))
        return str(started["executionArn"])

    def redrive(self, execution_arn: str) -> None:
        """RedriveExecution."""
        self._client("stepfunctions").redrive_execution(executionArn=execution_arn)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with everything that happens in it. Virtual time passes only here."""
        self.clock.sleep(seconds)

    def settle(self, within_s: float = 3600, every_s: float = 5, machine: str = "DrainNode") -> None:
        """Let time pass until no execution of ``machine`` runs; AssertionError after ``within_s``."""
        ends_at = self.clock.now() + within_s
        while self.clock.now() < ends_at:
            self.pass_time(every_s)
            running = self.aws.running(self.aws.deployment.state_machines[machine])
            if running and not any(running):
                # The execution's thread has yet to send the event of its end (EventBridge).
                self.pass_time(A_MOMENT_S)
                return
        raise AssertionError(f"An execution still runs after {within_s} s: {self.executions()}")


def rbac_manifests(parameters: Mapping[str, str]) -> list[Json]:
    """The manifests that an operator applies for a stack with these parameters (docs/operations.md)."""
    names = ["rbac.yaml"]
    if parameters.get("AllowForce") != "false":
        names.append("force.yaml")
    if parameters.get("RollBlocked", "off") != "off":
        names.append("roll.yaml")
    if parameters.get("NodeConditions") == "true":
        names.append("node-conditions.yaml")
    return [copy.deepcopy(manifest) for name in names for manifest in _manifests(name)]


@cache
def _manifests(name: str) -> list[Json]:
    return list(yaml.safe_load_all((MANIFESTS / name).read_text()))


def everybody(name: str, manifests: Iterable[Json]) -> User:
    """A user in every group that the manifests bind, who may do what all functions together may do."""
    bindings = [manifest for manifest in manifests if manifest["kind"] == "ClusterRoleBinding"]
    return User(name, tuple(subject["name"] for binding in bindings for subject in binding["subjects"]))


def node_manifest(name: str, instance_id: str) -> Json:
    """A Node as a kubelet on EC2 registers it."""
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"{REGION}a"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"providerID": f"aws:///{REGION}a/{instance_id}"},
    }
