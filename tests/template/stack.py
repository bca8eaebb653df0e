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
from stepdrain_sandbox.aws.language_extensions import TemplateRefused, expand, parameter_values

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
WRITTEN_OUT_FOR = ("GroupNames", "OtherClusterNames", "OnDelete")
"""The parameters that loops go over, and that stand in a deletion policy."""


@cache
def source() -> dict[str, Any]:
    """template.yaml as it is written."""
    parsed: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
    return parsed


def expanded(**parameters: str) -> dict[str, Any]:
    """template.yaml with its loops written out: what a reviewer reads (`make expand`)."""
    return expand(source(), {**LEAST, **parameters})


def _translated(parameters: Mapping[str, str]) -> dict[str, Any]:
    given = {name: parameters[name] for name in WRITTEN_OUT_FOR if name in parameters}
    return translate(ROOT / "template.yaml", {**LEAST, **given})


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
    if bad:
        return bad
    try:
        return _broken_rules(Stack(**parameters))
    except TemplateRefused as refused:
        return [str(refused)]


def _allowed(declared: Mapping[str, Any], value: str) -> bool:
    if "AllowedValues" in declared and value not in map(str, declared["AllowedValues"]):
        return False
    if declared["Type"] == "Number":
        return (
            declared.get("MinValue", float(value)) <= float(value) <= declared.get("MaxValue", float(value))
        )
    # Each item of a list is judged by itself.
    items = parameter_values({"Parameters": {"it": declared}}, {"it": value})["it"]
    pattern = declared.get("AllowedPattern", ".*")
    listed = items if isinstance(items, list) else [items]
    return all(re.fullmatch(pattern, item, re.DOTALL) for item in listed)


def _broken_rules(stack: Stack) -> list[str]:
    return [
        assertion["AssertDescription"]
        for rule in source()["Rules"].values()
        if stack.resolve(rule.get("RuleCondition", True))
        for assertion in rule["Assertions"]
        if not stack.resolve(assertion["Assert"])
    ]


class Stack:
    """The resources and outputs for ``parameters`` (as text), with all functions resolved."""

    def __init__(self, **parameters: str) -> None:
        self._template = _translated(parameters)
        values = parameter_values(self._template, {**LEAST, **parameters})
        self._resolver = Resolver(
            {**PSEUDO, **values, **{k: v for k, v in parameters.items() if k in PSEUDO}},
            self._template["Conditions"],
            lambda logical_id, name: f"<{logical_id}>" if name == "Ref" else f"<{logical_id}.{name}>",
            self._template["Mappings"],
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
                key: self.resolve(part) if key in ("Properties", "Value", "Metadata") else part
                for key, part in entry.items()
            }
            for name, entry in self._template[section].items()
            if "Condition" not in entry or self._resolver.holds(entry["Condition"])
        }
