"""What template.yaml becomes for given parameters: parameter constraints, rules, conditions, functions.

Why: CloudFormation judges a template only at deployment. This judges the same text here, after
SAM's own transform, so that a test can ask what a role grants or which parameters are refused.
What depends on created things (an ARN, a name) becomes a readable stand-in: ``<StartDrainRole.Arn>``.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from stepdrain_sandbox.aws.deploy import translate
from stepdrain_sandbox.aws.intrinsics import Resolver

ROOT = Path(__file__).parents[2]
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Region": "eu-west-1",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "stepdrain",
}
LEAST = {"ClusterName": "demo"}
"""The parameters without a default."""


@cache
def source() -> dict[str, Any]:
    """template.yaml as it is written."""
    parsed: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
    return parsed


@cache
def _translated() -> dict[str, Any]:
    return translate(ROOT / "template.yaml", LEAST)


def refusals(**parameters: str) -> list[str]:
    """The sentences with which CloudFormation refuses these parameters; empty if it takes them."""
    given = {**LEAST, **parameters}
    unknown = set(given) - set(source()["Parameters"])
    if unknown:
        return [f"Parameters do not exist: {unknown}"]
    bad = [
        declared.get("ConstraintDescription", f"{name} is one of {declared.get('AllowedValues')}")
        for name, declared in source()["Parameters"].items()
        if name in given and not _allowed(declared, given[name])
    ]
    return bad or _broken_rules(Stack(**parameters))


def _allowed(declared: Mapping[str, Any], value: str) -> bool:
    if "AllowedValues" in declared and value not in map(str, declared["AllowedValues"]):
        return False
    if declared["Type"] == "Number":
        return (
            declared.get("MinValue", float(value)) <= float(value) <= declared.get("MaxValue", float(value))
        )
    return re.fullmatch(declared.get("AllowedPattern", ".*"), value, re.DOTALL) is not None


def _broken_rules(stack: Stack) -> list[str]:
    return [
        assertion["AssertDescription"]
        for rule in source()["Rules"].values()
        if stack.resolve(rule["RuleCondition"])
        for assertion in rule["Assertions"]
        if not stack.resolve(assertion["Assert"])
    ]


class Stack:
    """The resources and outputs for ``parameters`` (as text), with all functions resolved."""

    def __init__(self, **parameters: str) -> None:
        declared = source()["Parameters"]
        defaults = {name: str(p["Default"]) for name, p in declared.items() if "Default" in p}
        self._resolver = Resolver(
            {**PSEUDO, **defaults, **LEAST, **parameters},
            _translated()["Conditions"],
            lambda logical_id, name: f"<{logical_id}>" if name == "Ref" else f"<{logical_id}.{name}>",
            _translated()["Mappings"],
        )
        self.resources = self._there("Resources")
        self.outputs = self._there("Outputs")

    def of_type(self, type_name: str) -> dict[str, dict[str, Any]]:
        """Properties of all resources of a type, by logical id."""
        return {k: r["Properties"] for k, r in self.resources.items() if r["Type"] == type_name}

    def resolve(self, value: Any) -> Any:
        """``value`` without functions."""
        return self._resolver.value(value)

    def _there(self, section: str) -> dict[str, Any]:
        return {
            name: {
                key: self.resolve(part) if key in ("Properties", "Value") else part
                for key, part in one.items()
            }
            for name, one in _translated()[section].items()
            if "Condition" not in one or self._resolver.holds(one["Condition"])
        }
