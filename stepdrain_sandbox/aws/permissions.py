"""Which AWS actions a function's role in the template allows.

A call that the role does not allow is denied, as on AWS, so that a missing permission fails
the demo and every test with a drain. Resources and conditions are not checked here:
tests/template/test_permissions.py has a table of them.
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
    """The actions of each function's role (``eks:DescribeCluster``), by the function's logical id.

    ``resources`` are those of a translated template, ``resolve`` evaluates intrinsic functions. Policies
    outside the role, for the network and for traces, are for the Lambda service and do not count.
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
    documents = [policy["PolicyDocument"] for policy in inline] + _attached(resources, name, resolve)
    statements = [statement for found in documents for statement in document(found)["Statement"]]
    allowed = [statement["Action"] for statement in statements if statement["Effect"] == "Allow"]
    return frozenset(a for actions in allowed for a in ([actions] if isinstance(actions, str) else actions))


def _attached(resources: Mapping[str, Json], role: str, resolve: Callable[[Any], Any]) -> list[Any]:
    """Documents of the policies for only this role; policies for many roles are for the Lambda service."""
    policies = [resource for resource in resources.values() if resource["Type"] == "AWS::IAM::ManagedPolicy"]
    return [
        resolve(policy["Properties"]["PolicyDocument"])
        for policy in policies
        if policy["Properties"].get("Roles") == [{"Ref": role}]
        and resolve({"Condition": policy["Condition"]})
    ]


def statements(resources: Mapping[str, Json], resolve: Callable[[Any], Any]) -> dict[str, list[Json]]:
    """All statements for each role, by its name: of its own policies, and of the stack's managed ones.

    ``resources`` are those that exist. A managed policy is attached by either side, the role's
    ManagedPolicyArns or its own Roles.
    """
    of_kind = {
        kind: {
            name: resolve(resource["Properties"])
            for name, resource in resources.items()
            if resource["Type"] == kind
        }
        for kind in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy")
    }
    roles, managed = of_kind["AWS::IAM::Role"], of_kind["AWS::IAM::ManagedPolicy"]
    found = {}
    for logical_id, role in roles.items():
        name, attached = resolve({"Ref": logical_id}), role.get("ManagedPolicyArns", ())
        documents = [policy["PolicyDocument"] for policy in role.get("Policies", ())]
        documents += [
            holder["PolicyDocument"]
            for policy, holder in managed.items()
            if name in holder.get("Roles", ()) or resolve({"Ref": policy}) in attached
        ]
        found[name] = [statement for policy in documents for statement in document(policy)["Statement"]]
    return found


def document(found: Any) -> Json:
    """A policy document, which a template may also contain as text."""
    return dict(json.loads(found)) if isinstance(found, str) else dict(found)


PREFIXES = {"tagging": "tag", "monitoring": "cloudwatch"}
"""Signing name to IAM prefix, where they differ: the tagging API of Resource Groups, and CloudWatch."""
RENAMED = {"lambda:Invoke": "lambda:InvokeFunction"}
"""Actions that are not called as their operation."""


def action(service: ServiceModel, operation: str) -> str:
    """The IAM action of an operation. As the operation is called, but for PREFIXES and RENAMED.

    https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """
    named = f"{PREFIXES.get(service.signing_name, service.signing_name)}:{operation}"
    return RENAMED.get(named, named)


def denial(function: str, wanted: str) -> ClientError:
    """The error for a call that no policy allows."""
    answer: Any = {
        "Error": {
            "Code": "AccessDenied",
            "Message": f"{function} is not authorized to perform: {wanted} "
            "because no identity-based policy allows it",
        },
        "ResponseMetadata": {"HTTPStatusCode": 403},
    }
    return ClientError(answer, wanted.split(":")[1])
