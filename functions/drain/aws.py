"""The AWS adapter: every call a function makes, each once; no error of botocore leaves this module.

Clients are made when first asked for: a step pays for the ones it uses. They do not
retry by themselves, since the state machine does, where an operator can see it. The session
that makes them is kept (drain.connections), since it is what reads the services' models.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from drain import VERSION
from drain.errors import AwsDenied, AwsRejected, AwsThrottled, AwsUnavailable, ClusterNotFound, DrainError
from drain.turns import Entry

MODELS = Path(__file__).with_name("models")
CONFIG = Config(
    connect_timeout=3,
    read_timeout=8,
    retries={"total_max_attempts": 1, "mode": "standard"},
    user_agent_extra=f"stepdrain/{VERSION}",
)
MAKING = threading.Lock()
"""A session makes one client at a time; a Lambda has one thread, the embedded world has many.

https://boto3.amazonaws.com/v1/documentation/api/latest/guide/session.html
"""
# Codes by which AWS services say "later"; ResourceContention is Auto Scaling's
# (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html).
THROTTLES = {
    "Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "RequestThrottled",
    "RequestThrottledException", "ProvisionedThroughputExceededException", "TransactionConflictException",
    "TooManyRequestsException", "ResourceContention", "ResourceContentionFault",
}  # fmt: skip
DENIALS = {
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "ExpiredToken", "ExpiredTokenException",
    "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure",
}  # fmt: skip

FILTER_VALUES = 200
"""https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html"""


WORKERS = 8
"""Requests to Elastic Load Balancing in flight at once."""


@dataclass(frozen=True)
class Endpoint:
    """Where a cluster's API is: https URL, and its CA certificates as PEM text."""

    url: str
    ca_pem: str


def new_session() -> boto3.Session:
    """A session with the credentials and the region of the environment; it keeps what it has read.

    Of EC2 it knows what drain/models holds: botocore's own model of it costs 75 ms of CPU and
    20 MB more to read (docs/decisions/0010).
    """
    core = botocore.session.get_session()
    core.set_config_variable("data_path", str(MODELS))
    return boto3.Session(botocore_session=core)


class Aws:
    """One account and region, with the credentials of the calling function.

    Every method raises AwsThrottled, AwsUnavailable, AwsDenied (naming the action) or AwsRejected.
    """

    def __init__(self, session: boto3.Session) -> None:
        self._session = session
        self._clients: dict[str, Any] = {}

    def _client(self, service: str) -> Any:
        make: Any = self._session.client  # boto3's stubs know 400 literal names and no str.
        with MAKING:
            if service not in self._clients:
                self._clients[service] = make(service, config=CONFIG)
            return self._clients[service]

    @cached_property
    def _auto_scaling(self) -> Any:
        return self._client("autoscaling")

    def group_tags(self, group: str) -> dict[str, str]:
        """The tags of an Auto Scaling group; AwsRejected if there is no such group."""
        groups = self._group(group)
        if not groups:
            raise AwsRejected(f"There is no Auto Scaling group {group} in this account and region.")
        return {tag["Key"]: tag.get("Value", "") for tag in groups[0].get("Tags", ())}

    def _group(self, name: str) -> list[dict[str, Any]]:
        """The group of that name in a list, without its instances where that can be said; or none."""
        asked: dict[str, Any] = {"AutoScalingGroupNames": [name]}
        # 500 instances are 300 KB of XML. An older boto3, which the runtime may bring, has no such parameter.
        shape = self._auto_scaling.meta.service_model.operation_model("DescribeAutoScalingGroups").input_shape
        if "IncludeInstances" in shape.members:
            asked["IncludeInstances"] = False
        groups: list[dict[str, Any]] = _call(self._auto_scaling, "describe_auto_scaling_groups", **asked)[
            "AutoScalingGroups"
        ]
        return groups

    def groups(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The Auto Scaling groups of these names (none: all), with their instances; in pages of 50."""
        chosen: dict[str, Any] = {"AutoScalingGroupNames": list(names)} if names else {}
        while True:
            answer = _call(self._auto_scaling, "describe_auto_scaling_groups", MaxRecords=50, **chosen)
            yield from answer["AutoScalingGroups"]
            if not answer.get("NextToken"):
                return
            chosen["NextToken"] = answer["NextToken"]

    def hook(self, group: str, name: str) -> dict[str, Any]:
        """A lifecycle hook with HeartbeatTimeout and GlobalTimeout in seconds; AwsRejected if absent."""
        answer = _call(
            self._auto_scaling,
            "describe_lifecycle_hooks",
            AutoScalingGroupName=group,
            LifecycleHookNames=[name],
        )
        if not answer["LifecycleHooks"]:
            raise AwsRejected(f"Auto Scaling group {group} has no lifecycle hook {name}.")
        return dict(answer["LifecycleHooks"][0])

    def record_heartbeat(self, lifecycle: Mapping[str, Any], instance_id: str) -> None:
        """Restart the heartbeat timeout of the instance's lifecycle action."""
        _call(self._auto_scaling, "record_lifecycle_action_heartbeat", **_action(lifecycle, instance_id))

    def complete_action(self, lifecycle: Mapping[str, Any], instance_id: str, result: str) -> None:
        """End the lifecycle action with ``result``, CONTINUE or ABANDON."""
        action = _action(lifecycle, instance_id)
        _call(self._auto_scaling, "complete_lifecycle_action", LifecycleActionResult=result, **action)

    def lifecycle_state(self, instance_id: str) -> str:
        """The instance's lifecycle state in its Auto Scaling group; "" if it is in none."""
        answer = _call(self._auto_scaling, "describe_auto_scaling_instances", InstanceIds=[instance_id])
        return (
            str(answer["AutoScalingInstances"][0]["LifecycleState"]) if answer["AutoScalingInstances"] else ""
        )

    def instance_tags(self, ids: Iterable[str]) -> dict[str, dict[str, str]]:
        """The EC2 tags of each instance that EC2 knows, by its id; 200 in a request."""
        wanted = list(ids)
        found: dict[str, dict[str, str]] = {}
        for first in range(0, len(wanted), FILTER_VALUES):
            # A filter, because one unknown id among InstanceIds fails the whole request.
            found |= self._tags_where("instance-id", wanted[first : first + FILTER_VALUES])
        return found

    def instances_in(self, reservation: str) -> dict[str, dict[str, str]]:
        """The EC2 tags of each instance that runs in a capacity reservation, by its id."""
        return self._tags_where("capacity-reservation-id", [reservation])

    def _tags_where(self, name: str, values: list[str]) -> dict[str, dict[str, str]]:
        client = self._client("ec2")
        pages = _pages(client, "describe_instances", "NextToken", Filters=[{"Name": name, "Values": values}])
        return {
            instance["InstanceId"]: {tag["Key"]: tag["Value"] for tag in instance.get("Tags", ())}
            for page in pages
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
        }

    def private_dns_name(self, instance_id: str) -> str | None:
        """The instance's private DNS name, None if EC2 no longer knows the instance."""
        client = self._client("ec2")
        try:
            answer = _call(client, "describe_instances", InstanceIds=[instance_id])
        except AwsRejected as error:
            if "InvalidInstanceID" not in str(error):
                raise
            return None
        instances = [one for reservation in answer["Reservations"] for one in reservation["Instances"]]
        return (instances[0].get("PrivateDnsName") or None) if instances else None

    def group_target_groups(self, group: str) -> list[str]:
        """ARNs of the target groups that the Auto Scaling group itself is attached to; none if it is gone."""
        return [arn for one in self._group(group) for arn in one.get("TargetGroupARNs", ())]

    def balancers_of(self, cluster: str) -> list[str]:
        """ARNs of target groups and load balancers that Kubernetes' cloud provider made for the cluster."""
        client, token, arns = self._client("resourcegroupstaggingapi"), "", []
        while True:
            answer = _call(
                client,
                "get_resources",
                ResourceTypeFilters=["elasticloadbalancing:targetgroup", "elasticloadbalancing:loadbalancer"],
                TagFilters=[{"Key": f"kubernetes.io/cluster/{cluster}"}],
                PaginationToken=token,
            )
            arns += [one["ResourceARN"] for one in answer["ResourceTagMappingList"]]
            token = answer.get("PaginationToken", "")
            if not token:
                return arns

    def target_states(self, target_groups: Sequence[str], instance_id: str) -> dict[str, str]:
        """The instance's state in each target group (ARN) that holds it; one call for each group."""
        client = self._client("elbv2")
        states = _each(target_groups, lambda arn: _target_state(client, arn, instance_id))
        return {arn: state for arn, state in states if state}

    def classic_states(self, names: Sequence[str], instance_id: str) -> dict[str, str]:
        """The instance's description in each classic load balancer; one call for each."""
        client = self._client("elb")
        states = _each(names, lambda name: _classic_state(client, name, instance_id))
        return {name: state for name, state in states if state}

    def start_execution(self, state_machine_arn: str, name: str, document: Mapping[str, Any]) -> bool:
        """Start an execution; False if one of that name exists, which is the same drain."""
        client = self._client("stepfunctions")
        text = json.dumps(document, sort_keys=True)
        try:
            _call(client, "start_execution", stateMachineArn=state_machine_arn, name=name, input=text)
        except AwsRejected as error:
            if "ExecutionAlreadyExists" not in str(error):
                raise
            return False
        return True

    def executions(self, state_machine_arn: str, since: float) -> Iterator[dict[str, Any]]:
        """Executions that started at ``since`` (epoch seconds) or later, newest first, in pages of 200.

        ``state_machine_arn`` may be an alias's; those that were started without it are listed, too.
        """
        client = self._client("stepfunctions")
        options: dict[str, Any] = {"stateMachineArn": _unqualified(state_machine_arn), "maxResults": 200}
        while True:
            answer = _call(client, "list_executions", **options)
            for one in answer["executions"]:
                if one["startDate"].timestamp() < since:
                    return
                yield one
            if not answer.get("nextToken"):
                return
            options["nextToken"] = answer["nextToken"]

    def started_at(self, state_machine_arn: str, name: str) -> float | None:
        """When the execution of that name started, in epoch seconds; None if there is none."""
        client = self._client("stepfunctions")
        arn = f"{_unqualified(state_machine_arn).replace(':stateMachine:', ':execution:')}:{name}"
        try:
            started: float = _call(client, "describe_execution", executionArn=arn)["startDate"].timestamp()
        except AwsRejected as error:
            if "ExecutionDoesNotExist" not in str(error):
                raise
            return None
        return started

    def executions_of(self, state_machine_arn: str, instance_id: str, status: str) -> list[dict[str, Any]]:
        """The executions of ``status`` whose names begin with the instance's id.

        Each with ``name``, ``startedAt`` and ``redrivenAt`` (RFC 3339; None if never) and ``document``,
        its input.
        A list knows no filter by name, so it is read to its end where that is short (RUNNING), and
        its newest 1,000 where it is not.
        """
        client = self._client("stepfunctions")
        options = {"stateMachineArn": _unqualified(state_machine_arn), "statusFilter": status}
        pages = _pages(client, "list_executions", "nextToken", maxResults=1000, **options)
        listed = (
            one for page in (pages if status == "RUNNING" else islice(pages, 1)) for one in page["executions"]
        )
        arns = [one["executionArn"] for one in listed if one["name"].startswith(f"{instance_id}-")]
        return [_execution(_call(client, "describe_execution", executionArn=arn)) for arn in arns]

    def leases(self, table: str) -> Leases:
        """The table of leases (drain.turns)."""
        return Leases(self._client("dynamodb"), table)

    def last_events(self, execution_arn: str) -> list[dict[str, Any]]:
        """The newest 200 events of an execution: more than its last state has, with all its retries."""
        client = self._client("stepfunctions")
        answer = _call(
            client,
            "get_execution_history",
            executionArn=execution_arn,
            reverseOrder=True,
            maxResults=200,
        )
        return list(answer["events"])

    def publish(self, topic_arn: str, subject: str, body: str) -> None:
        """Send a message to a topic."""
        client = self._client("sns")
        _call(client, "publish", TopicArn=topic_arn, Subject=subject, Message=body)

    def cluster_endpoint(self, cluster: str) -> Endpoint:
        """Where the EKS cluster's API is; ClusterNotFound if there is none or it has no endpoint yet."""
        client = self._client("eks")
        try:
            found = _call(client, "describe_cluster", name=cluster)["cluster"]
        except AwsRejected as error:
            if "ResourceNotFoundException" not in str(error):
                raise
            raise ClusterNotFound(
                f"There is no EKS cluster {cluster} in region {self._session.region_name}. "
                "Correct the ClusterName parameter and deploy again."
            ) from error
        if not found.get("endpoint"):
            raise ClusterNotFound(
                f"EKS cluster {cluster} has no endpoint: its status is {found.get('status')}."
            )
        return Endpoint(found["endpoint"], base64.b64decode(found["certificateAuthority"]["data"]).decode())

    def kube_token(self, cluster: str) -> str:
        """A bearer token for the cluster's API, valid for 15 minutes; made here, no request is sent.

        A presigned GetCallerIdentity, byte for byte as ``aws eks get-token`` makes it
        (kubernetes-sigs/aws-iam-authenticator, pkg/token/token.go). Signed without an STS
        client, which would cost 80 ms at each cold start.
        """
        region = self._session.region_name or ""
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        url = f"https://sts.{region}.{suffix}/?Action=GetCallerIdentity&Version=2011-06-15"
        request = AWSRequest("GET", url, headers={"x-k8s-aws-id": cluster})
        credentials = self._session.get_credentials()
        if credentials is None:
            raise AwsDenied("There are no AWS credentials to sign the cluster's token with.")
        SigV4QueryAuth(credentials.get_frozen_credentials(), "sts", region, expires=60).add_auth(request)
        encoded = base64.urlsafe_b64encode(str(request.url).encode()).decode().rstrip("=")
        return f"k8s-aws-v1.{encoded}"


class Leases:
    """A DynamoDB table with the key groupName and entry, and the TTL expiresAt (drain.turns.Ledger)."""

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table

    def entries(self, group: str) -> list[Entry]:
        """All rows of a group as they are now, expired ones included, in order of ``entry``."""
        pages = _pages(
            self._client,
            "query",
            "LastEvaluatedKey",
            "ExclusiveStartKey",
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="groupName = :g",
            ExpressionAttributeValues={":g": {"S": group}},
        )
        rows = [row for page in pages for row in page["Items"]]
        return [
            Entry(row["groupName"]["S"], row["entry"]["S"], row["holder"]["S"], float(row["expiresAt"]["N"]))
            for row in rows
        ]

    def put(self, entry: Entry, now: float) -> bool:
        """Write a row that is free, expired at ``now`` or the holder's own; False if it is another's."""
        row = {**_key(entry), "holder": {"S": entry.holder}, "expiresAt": {"N": str(int(entry.expires_at))}}
        try:
            _call(
                self._client,
                "put_item",
                TableName=self._table,
                Item=row,
                ConditionExpression="attribute_not_exists(holder) OR holder = :h OR expiresAt <= :n",
                ExpressionAttributeValues={":h": {"S": entry.holder}, ":n": {"N": str(int(now))}},
            )
        except AwsRejected as error:
            if "ConditionalCheckFailedException" not in str(error):
                raise
            return False
        return True

    def drop(self, entry: Entry) -> None:
        """Delete a row, unless it is another holder's by now."""
        try:
            _call(
                self._client,
                "delete_item",
                TableName=self._table,
                Key=_key(entry),
                ConditionExpression="holder = :h",
                ExpressionAttributeValues={":h": {"S": entry.holder}},
            )
        except AwsRejected as error:
            if "ConditionalCheckFailedException" not in str(error):
                raise


def _key(entry: Entry) -> dict[str, Any]:
    return {"groupName": {"S": entry.group}, "entry": {"S": entry.entry}}


def _pages(
    client: Any, operation: str, token: str, asked_by: str | None = None, **parameters: Any
) -> Iterator[Any]:
    """The answers of a paged operation; ``token`` is the answer's field, ``asked_by`` the parameter."""
    while True:
        answer = _call(client, operation, **parameters)
        yield answer
        if not answer.get(token):
            return
        parameters[asked_by or token] = answer[token]


def _execution(described: Mapping[str, Any]) -> dict[str, Any]:
    redriven = described.get("redriveDate")
    return {
        "name": described["name"],
        "startedAt": described["startDate"].isoformat(),
        "redrivenAt": redriven.isoformat() if redriven else None,
        "document": json.loads(described.get("input") or "{}"),
    }


def _unqualified(state_machine_arn: str) -> str:
    """The state machine's own ARN, where an alias or version (an eighth part) is given."""
    return ":".join(state_machine_arn.split(":")[:7])


def _each(names: Sequence[str], ask: Callable[[str], str]) -> list[tuple[str, str]]:
    if not names:
        return []
    with ThreadPoolExecutor(max_workers=min(WORKERS, len(names))) as workers:
        return list(zip(names, workers.map(ask, names), strict=True))


def _target_state(client: Any, arn: str, instance_id: str) -> str:
    # Not filtered by target: that needs the port, and a target that is gone would be an error.
    answer = _absent_or(client, "describe_target_health", "TargetGroupNotFound", TargetGroupArn=arn)
    of_instance = [
        str(one["TargetHealth"]["State"])
        for one in answer.get("TargetHealthDescriptions", ())
        if one["Target"]["Id"] == instance_id
    ]
    # A target group can hold an instance with several ports.
    return next((state for state in of_instance if "draining" in state), (of_instance or [""])[0])


def _classic_state(client: Any, name: str, instance_id: str) -> str:
    instances = [{"InstanceId": instance_id}]
    absent = ("LoadBalancerNotFound", "InvalidInstance")
    answer = _absent_or(
        client, "describe_instance_health", *absent, LoadBalancerName=name, Instances=instances
    )
    return next((str(one["Description"]) for one in answer.get("InstanceStates", ())), "")


def _absent_or(client: Any, operation: str, *absent: str, **parameters: Any) -> Any:
    try:
        return _call(client, operation, **parameters)
    except AwsRejected as error:
        if not any(code in str(error) for code in absent):
            raise
        return {}


def _action(lifecycle: Mapping[str, Any], instance_id: str) -> dict[str, str]:
    action = {"AutoScalingGroupName": lifecycle["group"], "LifecycleHookName": lifecycle["hook"]}
    # The sweep knows no token; the instance id serves then, as long as the hook has one action for it.
    if lifecycle.get("token"):
        action["LifecycleActionToken"] = lifecycle["token"]
    return {**action, "InstanceId": instance_id}


def _call(client: Any, operation: str, **parameters: Any) -> Any:
    try:
        return getattr(client, operation)(**parameters)
    except ClientError as error:
        raise _translated(error) from error
    except BotoCoreError as error:
        raise AwsUnavailable(f"{operation} got no answer: {error}.") from error


def _translated(error: ClientError) -> DrainError:
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    said = f"{error.operation_name} answered {code}: {message}"
    if code in THROTTLES:
        return AwsThrottled(said)
    if code in DENIALS:
        return AwsDenied(f"{said}. Check the function's role in template.yaml.")
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= 500:
        return AwsUnavailable(said)
    return AwsRejected(said)
