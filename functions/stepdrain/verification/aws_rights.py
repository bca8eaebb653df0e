"""Which rights in AWS each function uses, tried by calls that cannot act.

Reads are sent as they are. A call that would change something names what cannot exist: without the
right the answer is AccessDenied, with it that there is no such thing. IAM decides before the
service looks at what a request names
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stepdrain.adapters.aws import Aws
from stepdrain.adapters.aws.rehearsed import NOBODY, NOTHING
from stepdrain.errors import AwsRejected, ClusterNotFound
from stepdrain.verification.findings import Finding, Remedy, Result, checked


@dataclass(frozen=True)
class Place:
    """Where a rehearsal happens: names of what a drain would touch."""

    cluster: str
    group: str
    hook: str
    instance_id: str
    state_machine_arn: str = ""
    admit_state_machine_arn: str = ""
    topic_arn: str = ""
    lease_table: str = ""
    group_list: str = ""
    """The parameter of Systems Manager with a long list of groups; "" where the list is short."""
    targets: bool = True
    """Whether a drain waits for load balancers: a private subnet needs no way to them otherwise."""
    cache_table: str = ""

    @property
    def lifecycle(self) -> dict[str, str]:
        """A lifecycle action as the document has it, without a token."""
        return {"group": self.group, "hook": self.hook}


Call = Callable[[Aws, Place], object]
DESCRIBE_CLUSTER: tuple[str, Call] = (
    "eks:DescribeCluster",
    lambda aws, at: aws.cluster_endpoint(at.cluster),
)
GROUPS: tuple[str, Call] = (
    "autoscaling:DescribeAutoScalingGroups",
    lambda aws, at: aws.group_tags(at.group),
)
HOOKS: tuple[str, Call] = (
    "autoscaling:DescribeLifecycleHooks",
    lambda aws, at: aws.hook_of_group(at.group, at.hook),
)
DRAIN: tuple[str, Call] = (
    "states:DescribeExecution",
    lambda aws, at: aws.started_at(at.state_machine_arn, NOTHING),
)
INSTANCES: tuple[str, Call] = ("ec2:DescribeInstances", lambda aws, at: aws.instance_tags([at.instance_id]))
INTAKE: list[tuple[str, Call]] = [
    GROUPS,
    HOOKS,
    INSTANCES,
    (
        "states:ListExecutions",
        lambda aws, at: list(aws.executions_of(at.state_machine_arn, NOBODY, "RUNNING")),
    ),
    DRAIN,
    ("states:StartExecution", lambda aws, at: aws.start_nothing(at.state_machine_arn)),
    ("states:StartExecution of AdmitNode", lambda aws, at: aws.start_nothing(at.admit_state_machine_arn)),
    (
        "states:StopExecution",
        lambda aws, at: aws.stop_execution(at.state_machine_arn, NOTHING, "Rehearsal", ""),
    ),
]
CALLS: dict[str, list[tuple[str, Call]]] = {
    "FindNode": [
        DESCRIBE_CLUSTER,
        INSTANCES,
        ("autoscaling:DescribeAutoScalingInstances", lambda aws, at: aws.lifecycle_state(at.instance_id)),
        GROUPS,
        HOOKS,
    ],
    **{
        name: [DESCRIBE_CLUSTER]
        for name in ("Label", "Cordon", "EvictBatch", "WaitForPods", "WaitForVolumes")
    },
    "Uncordon": [DESCRIBE_CLUSTER, DRAIN],
    "WaitForNode": [DESCRIBE_CLUSTER, INSTANCES],
    "WaitForTargets": [
        DESCRIBE_CLUSTER,
        GROUPS,
        ("tag:GetResources", lambda aws, at: aws.balancers_of(at.cluster)),
        ("elasticloadbalancing:DescribeTargetHealth", lambda aws, at: aws.target_health(at.instance_id)),
        (
            "elasticloadbalancing:DescribeInstanceHealth",
            lambda aws, at: aws.classic_states([NOTHING], at.instance_id),
        ),
    ],
    "Heartbeat": [
        (
            "autoscaling:RecordLifecycleActionHeartbeat",
            lambda aws, at: aws.record_heartbeat(at.lifecycle, NOBODY),
        )
    ],
    "CompleteAction": [
        INSTANCES,
        (
            "autoscaling:CompleteLifecycleAction",
            lambda aws, at: aws.complete_action(at.lifecycle, NOBODY, "CONTINUE"),
        ),
    ],
    "StartDrain": INTAKE,
    "Sweep": [
        *INTAKE,
        (
            "states:ListExecutions of AdmitNode",
            lambda aws, at: list(aws.executions_of(at.admit_state_machine_arn, NOBODY, "RUNNING")),
        ),
        ("autoscaling:DescribeScalingActivities", lambda aws, at: aws.in_progress_since(at.group)),
        ("ec2:DescribeInstanceStatus", lambda aws, _at: aws.scheduled_events(["instance-stop"])),
    ],
    "Notify": [
        DESCRIBE_CLUSTER,
        DRAIN,
        ("states:GetExecutionHistory", lambda aws, at: aws.history_of_nothing(at.state_machine_arn)),
        ("sns:Publish", lambda aws, at: aws.publish_nothing(at.topic_arn)),
    ],
}
"""By function, as template.yaml grants them: ``service:Action``, and of what, where that is not clear."""
TURNS: dict[str, list[tuple[str, Call]]] = {
    "EvictBatch": [
        ("dynamodb:Query", lambda aws, at: aws.leases(at.lease_table).entries(NOTHING)),
        ("dynamodb:PutItem", lambda aws, at: aws.put_nothing(at.lease_table)),
    ],
    "CompleteAction": [
        ("dynamodb:Query", lambda aws, at: aws.leases(at.lease_table).entries(NOTHING)),
        ("dynamodb:DeleteItem", lambda aws, at: aws.delete_nothing(at.lease_table)),
    ],
}
"""What the two functions call besides where drains take turns."""

GROUP_LIST: tuple[str, Call] = ("ssm:GetParameter", lambda aws, at: aws.parameter(at.group_list))
"""For StartDrain, Sweep and FindNode, where the list of groups is long."""


CACHED: list[tuple[str, Call]] = [
    ("dynamodb:GetItem", lambda aws, at: aws.cache(at.cache_table).get(NOTHING, 0)),
]
PUT: list[tuple[str, Call]] = [
    *CACHED,
    ("dynamodb:PutItem", lambda aws, at: aws.cache_nothing(at.cache_table)),
]


def calls_of(function: str, place: Place) -> list[tuple[str, Call]]:
    """What the function calls in an installation with this ``place``."""
    if function == "WaitForTargets" and not place.targets:
        return []
    turns = TURNS.get(function, []) if place.lease_table else []
    listed = [GROUP_LIST] if place.group_list and function in ("StartDrain", "Sweep", "FindNode") else []
    made = CALLS.get(function, [])
    return [*made, *turns, *listed, *(_cached(function, made) if place.cache_table else ())]


def _cached(function: str, made: list[tuple[str, Call]]) -> list[tuple[str, Call]]:
    if function in ("StartDrain", "Sweep"):
        return PUT if function == "Sweep" else [DESCRIBE_CLUSTER, *PUT]
    return CACHED if DESCRIBE_CLUSTER in made else []


def trials(function: str, aws: Aws, place: Place) -> Iterator[Finding]:
    """A finding for each IAM action that the function uses; one alone for a service that does not answer.

    Each answer that does not come costs seconds, and the function has few.
    """
    silent: set[str] = set()
    for action, call in calls_of(function, place):
        service = action.partition(":")[0]
        if service in silent:
            continue
        found = checked(action, function, lambda call=call: _tried(call, aws, place))  # type: ignore[misc]
        if found.remedy is Remedy.ENDPOINT:
            silent.add(service)
        # What is not in the cache is asked for, so a drain goes on without.
        yield replace(found, result=Result.DEGRADED) if _dispensable(action, call, found) else found


def _dispensable(action: str, call: Call, found: Finding) -> bool:
    return (action, call) in PUT and found.result is Result.MISSING


def _tried(call: Call, aws: Aws, place: Place) -> None:
    try:
        call(aws, place)
    except ClusterNotFound:
        raise
    except AwsRejected:
        return  # The service has looked at what the request names: IAM has let it pass.


def place_of(drain: Mapping[str, Any], environ: Mapping[str, str]) -> Place:
    """The place in a rehearsal's document, and what the function's own environment adds."""
    said = drain.get("rehearsal") or {}
    return Place(
        cluster=drain.get("cluster") or said.get("cluster") or environ.get("STEPDRAIN_CLUSTER", ""),
        group=said.get("group", ""),
        hook=said.get("hook", ""),
        instance_id=drain.get("instanceId") or said.get("instanceId") or NOBODY,
        # Notify's environment has none: an event names the execution.
        state_machine_arn=environ.get("STEPDRAIN_STATE_MACHINE_ARN") or said.get("stateMachine", ""),
        admit_state_machine_arn=environ.get("STEPDRAIN_ADMIT_STATE_MACHINE_ARN", ""),
        topic_arn=environ.get("STEPDRAIN_TOPIC_ARN", ""),
        lease_table=environ.get("STEPDRAIN_LEASE_TABLE", ""),
        group_list=environ.get("STEPDRAIN_GROUP_LIST", ""),
        targets=environ.get("STEPDRAIN_WAIT_FOR_TARGETS", "auto") != "off" or bool(said.get("targets")),
        cache_table=environ.get("STEPDRAIN_CACHE_TABLE", ""),
    )
