"""Calls that show whether a right is there and cannot act, since what they name cannot exist."""

from __future__ import annotations

from typing import Any

from stepdrain.adapters.aws.calls import Clients, call, call_unless
from stepdrain.adapters.aws.conditional_put import CONDITION_FAILED
from stepdrain.adapters.aws.executions import execution_arn

NOBODY = "i-00000000000000000"
"""An instance id of the right form that EC2 gives nobody."""
NOTHING = "stepdrain-rehearsal-of-nothing"
NO_TARGET_GROUP = (
    "arn:{partition}:elasticloadbalancing:{region}:000000000000:targetgroup/nothing/0000000000000000"
)


class Rehearsed(Clients):
    """Its part of stepdrain.adapters.aws.Aws: AwsDenied without the right, with it AwsRejected or nothing."""

    def start_nothing(self, state_machine_arn: str) -> None:
        """StartExecution with an input that is no JSON (InvalidExecutionInput)."""
        client = self._client("stepfunctions")
        call(client, "start_execution", stateMachineArn=state_machine_arn, name=NOTHING, input="no JSON")

    def history_of_nothing(self, state_machine_arn: str) -> None:
        """GetExecutionHistory of an execution that does not exist (ExecutionDoesNotExist)."""
        arn = execution_arn(state_machine_arn, NOTHING)
        call(self._client("stepfunctions"), "get_execution_history", executionArn=arn)

    def publish_nothing(self, topic_arn: str) -> None:
        """Publish with a message that is not the JSON it is said to be (InvalidParameter)."""
        options: dict[str, Any] = {"TopicArn": topic_arn, "Message": "no JSON", "MessageStructure": "json"}
        call(self._client("sns"), "publish", **options)

    def target_health(self, instance_id: str) -> None:
        """DescribeTargetHealth of a target group that does not exist (TargetGroupNotFound)."""
        client = self._client("elbv2")
        arn = NO_TARGET_GROUP.format(partition=client.meta.partition, region=client.meta.region_name)
        call(client, "describe_target_health", TargetGroupArn=arn, Targets=[{"Id": instance_id}])

    def put_nothing(self, table: str) -> None:
        """PutItem under a condition that does not hold: nothing is written."""
        item = {"groupName": {"S": NOTHING}, "entry": {"S": NOTHING}, "holder": {"S": NOTHING}}
        condition = "attribute_exists(holder)"
        options = {"TableName": table, "Item": item, "ConditionExpression": condition}
        call_unless(self._client("dynamodb"), "put_item", CONDITION_FAILED, **options)

    def cache_nothing(self, table: str) -> None:
        """PutItem in the cache under a condition that does not hold: nothing is written."""
        options = {"TableName": table, "Item": {"cacheKey": {"S": NOTHING}}}
        condition = {"ConditionExpression": "attribute_exists(content)"}
        call_unless(self._client("dynamodb"), "put_item", CONDITION_FAILED, **options, **condition)

    def delete_nothing(self, table: str) -> None:
        """DeleteItem of a row that does not exist, under a condition that does not hold."""
        key = {"groupName": {"S": NOTHING}, "entry": {"S": NOTHING}}
        options = {"TableName": table, "Key": key, "ConditionExpression": "attribute_exists(holder)"}
        call_unless(self._client("dynamodb"), "delete_item", CONDITION_FAILED, **options)
