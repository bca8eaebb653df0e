"""What a function's role in the template lets it call, as far as the action goes.

A call that the role does not grant is denied here as it would be on AWS, so that a missing
permission fails the demo and every test that drains. Resources and conditions are not judged:
the table in tests/template/test_permissions.py is for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError
from botocore.model import ServiceModel

Json = dict[str, Any]
Granted = Mapping[str, frozenset[str]]


def granted(resources: Mapping[str, Json], resolve: Callable[[Any], Any]) -> Granted:
    """Actions of each function's role (``eks:DescribeCluster``), by the function's logical id.

    ``resources`` are a translated template's, ``resolve`` works out intrinsic functions. Policies that
    stand outside the role, for the network and for traces, are the Lambda service's and not counted.
    """
    return {
        logical_id: _actions(resources, resource["Properties"].get("Role"), resolve)
        for logical_id, resource in resources.items()
        if resource["Type"] == "AWS::Lambda::Function"
    }


def _actions(resources: Mapping[str, Json], role: Any, resolve: Callable[[Any], Any]) -> frozenset[str]:
    if not isinstance(role, dict):
        return frozenset()
    name = role["Fn::GetAtt"][0]
    inline = resolve(list(resources[name]["Properties"].get("Policies", ())))
    named = [one["PolicyDocument"] for one in inline] + _attached(resources, name, resolve)
    statements = [one for found in named for one in document(found)["Statement"]]
    allowed = [one["Action"] for one in statements if one["Effect"] == "Allow"]
    return frozenset(a for actions in allowed for a in ([actions] if isinstance(actions, str) else actions))


def _attached(resources: Mapping[str, Json], role: str, resolve: Callable[[Any], Any]) -> list[Any]:
    """Documents of the policies that name this role alone; those of many functions are for a service."""
    policies = [one for one in resources.values() if one["Type"] == "AWS::IAM::ManagedPolicy"]
    return [
        resolve(one["Properties"]["PolicyDocument"])
        for one in policies
        if one["Properties"].get("Roles") == [{"Ref": role}] and resolve({"Condition": one["Condition"]})
    ]


def document(found: Any) -> Json:
    """A policy document, which a template may also give as its text."""
    return dict(json.loads(found)) if isinstance(found, str) else dict(found)


PREFIXES = {"tagging": "tag"}
"""IAM's prefix of services that sign by another name: the tagging API of Resource Groups."""


def action(service: ServiceModel, operation: str) -> str:
    """The IAM action of an operation. IAM's prefix is the signing name, but for PREFIXES.

    https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """
    return f"{PREFIXES.get(service.signing_name, service.signing_name)}:{operation}"


def denial(function: str, wanted: str) -> ClientError:
    """The answer to a call that nobody has granted."""
    answer: Any = {
        "Error": {
            "Code": "AccessDenied",
            "Message": f"{function} is not authorized to perform: {wanted} "
            "because no identity-based policy allows it",
        },
        "ResponseMetadata": {"HTTPStatusCode": 403},
    }
    return ClientError(answer, wanted.split(":")[1])
