"""IAM's policy simulator, for the policies of one role.

An explicit Deny wins, then any Allow, else nothing is allowed. A condition on a key that the request does not
give is not met, unless its operator ends in IfExists.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

Json = Mapping[str, Any]


RESTRICTIVE = ("explicitDeny", "implicitDeny", "allowed")


def evaluated(statements: Sequence[Json], asked: Json) -> list[dict[str, Any]]:
    """EvaluationResults of a SimulatePrincipalPolicy request: one for each action, most restrictive first.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html
    """
    context = {
        entry["ContextKeyName"].lower(): entry["ContextKeyValues"]
        for entry in asked.get("ContextEntries", ())
    }
    resources = asked.get("ResourceArns") or ["*"]
    return [
        _result(
            action, {resource: _decision(statements, action, resource, context) for resource in resources}
        )
        for action in asked["ActionNames"]
    ]


def _result(action: str, decisions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "EvalActionName": action,
        "EvalDecision": min(decisions.values(), key=RESTRICTIVE.index),
        "ResourceSpecificResults": [
            {"EvalResourceName": resource, "EvalResourceDecision": decision}
            for resource, decision in decisions.items()
        ],
    }


def _decision(
    statements: Sequence[Json], action: str, resource: str, context: Mapping[str, Sequence[str]]
) -> str:
    effects = {
        statement["Effect"]
        for statement in statements
        if _matches(_listed(statement["Action"]), action.lower(), lower=True)
        and _matches(_listed(statement["Resource"]), resource)
        and _met(statement.get("Condition", {}), context)
    }
    if "Deny" in effects:
        return "explicitDeny"
    return "allowed" if "Allow" in effects else "implicitDeny"


def _met(conditions: Json, context: Mapping[str, Sequence[str]]) -> bool:
    return all(
        _one_met(operator, _listed(wanted), context.get(key.lower()))
        for operator, keys in conditions.items()
        for key, wanted in keys.items()
    )


def _one_met(operator: str, wanted: Iterable[str], given: Sequence[str] | None) -> bool:
    if given is None:
        return operator.endswith("IfExists")
    name = operator.removesuffix("IfExists")
    if name in ("StringEquals", "Bool"):
        return any(value in wanted for value in given)
    if name in ("StringLike", "ArnLike", "ArnEquals"):
        return any(_matches(wanted, value) for value in given)
    raise ValueError(f"The simulator does not know the condition operator {operator}.")


def _matches(patterns: Iterable[str], value: str, lower: bool = False) -> bool:
    # fnmatch takes [ for the beginning of a set, IAM for itself.
    return any(
        fnmatchcase(value, (pattern.lower() if lower else pattern).replace("[", "[[]"))
        for pattern in patterns
    )


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(item) for item in value]
