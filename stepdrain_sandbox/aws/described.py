"""What CloudFormation, Lambda and IAM answer about the deployed stack, which moto has not deployed itself.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from stepdrain_sandbox.aws import simulation
from stepdrain_sandbox.aws.deploy import STACK, Deployment

Json = dict[str, Any]
LIKE_ANY = datetime(2026, 1, 1, tzinfo=UTC)


class Described:
    """Answers for one account. ``stack_status`` may be changed, as an update would."""

    def __init__(
        self,
        deployment: Callable[[], Deployment],
        invoke: Callable[[str, Json], Any],
        region: str,
        account: str,
    ) -> None:
        self._deployment, self._invoke = deployment, invoke
        self._id = f"arn:aws:cloudformation:{region}:{account}:stack/{STACK}/sandbox"
        self.stack_status = "CREATE_COMPLETE"

    def answers(self) -> Mapping[str, Callable[[Json], Json]]:
        """By operation: the answer to its parameters."""
        return {
            "DescribeStacks": self._stacks,
            "ListStackResources": self._resources,
            "Invoke": self._invoked,
            "GetFunctionConfiguration": self._configuration,
            "SimulatePrincipalPolicy": self._simulated,
        }

    def _stacks(self, asked: Json) -> Json:
        self._refuse_unknown("DescribeStacks", asked.get("StackName", STACK))
        made = self._deployment()
        return {
            "Stacks": [
                {
                    "StackId": self._id,
                    "StackName": STACK,
                    "StackStatus": self.stack_status,
                    "CreationTime": LIKE_ANY,
                    "Parameters": _pairs("Parameter", made.parameters),
                    "Outputs": _pairs("Output", made.outputs),
                }
            ]
        }

    def _resources(self, asked: Json) -> Json:
        self._refuse_unknown("ListStackResources", asked["StackName"])
        listed = [
            {
                "LogicalResourceId": name,
                "PhysicalResourceId": physical,
                "ResourceType": kind,
                "ResourceStatus": "CREATE_COMPLETE",
                "LastUpdatedTimestamp": LIKE_ANY,
            }
            for name, (physical, kind) in self._deployment().resources.items()
        ]
        return {"StackResourceSummaries": listed}

    def _refuse_unknown(self, operation: str, name: str) -> None:
        if name not in (STACK, self._id):
            said = f"Stack with id {name} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": said}}, operation)

    def _invoked(self, asked: Json) -> Json:
        try:
            answer, failed = self._invoke(asked["FunctionName"], json.loads(asked["Payload"])), {}
        except Exception as error:
            # As Lambda does: whatever leaves the handler is in the answer, by its class's name.
            answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
            failed = {"FunctionError": "Unhandled"}
        text = json.dumps(answer).encode()
        return {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(text), len(text)), **failed}

    def _configuration(self, asked: Json) -> Json:
        name = asked["FunctionName"].rsplit(":", 1)[-1]
        functions = self._deployment().functions.values()
        function = next((made for made in functions if made.name == name), None)
        if function is None:
            said = f"Function not found: {name}"
            raise ClientError(
                {"Error": {"Code": "ResourceNotFoundException", "Message": said}}, "GetFunctionConfiguration"
            )
        variables = dict(function.environment)
        return {"FunctionName": name, "State": "Active", "Environment": {"Variables": variables}}

    def _simulated(self, asked: Json) -> Json:
        role = asked["PolicySourceArn"].rsplit("/", 1)[-1]
        policies = self._deployment().policies
        if role not in policies:
            said = f"The role with name {role} cannot be found."
            raise ClientError({"Error": {"Code": "NoSuchEntity", "Message": said}}, "SimulatePrincipalPolicy")
        return {"EvaluationResults": simulation.evaluated(policies[role], asked), "IsTruncated": False}


def _pairs(what: str, values: Mapping[str, str]) -> list[Json]:
    return [{f"{what}Key": name, f"{what}Value": value} for name, value in values.items()]
