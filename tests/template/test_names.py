"""Names that the template makes of the stack's: how long a stack's name may be."""

import re
from typing import Any

import pytest

from stepdrain_sandbox.aws.deploy import ROOT
from stepdrain_sandbox.aws.pre_deployment import LONGEST
from tests.template.stack import Stack

LONGEST_STACK_NAME = 70
MARK = "StackNameMark"
EVERYTHING = {
    "GroupNames": "a,b,c,d,e,f",
    "CreateLifecycleHooks": "true",
    "CreateLaunchHooks": "true",
    "MaxConcurrentDrains": "1",
    "OtherClusterNames": "other",
    "SubnetIds": "subnet-0a1b2c3d",
    "SecurityGroupIds": "sg-0a1b2c3d",
    "Tracing": "true",
    "NotificationEmail": "on-call@example.com",
}


def made_of_the_stacks_name() -> dict[tuple[str, str], list[str]]:
    """Kind and property to the names that hold the stack's name, with everything optional there."""
    found: dict[tuple[str, str], list[str]] = {}
    for resource in Stack(**EVERYTHING, **{"AWS::StackName": MARK}).resources.values():
        properties: dict[str, Any] = resource.get("Properties", {})
        for name, value in properties.items():
            if name.endswith("Name") and isinstance(value, str) and MARK in value:
                found.setdefault((resource["Type"], name), []).append(value)
    return found


@pytest.mark.parametrize("of", sorted(made_of_the_stacks_name()))
def test_a_name_fits_behind_the_longest_stack_name_that_the_runbook_allows(of: tuple[str, str]) -> None:
    """CloudFormation takes 128 characters. A kind without a limit here is one that nobody looked up."""
    longest = max(map(len, made_of_the_stacks_name()[of])) - len(MARK)
    assert longest + LONGEST_STACK_NAME <= LONGEST[of]


def test_the_runbook_and_terraform_allow_as_many_characters_as_fit() -> None:
    """Fewer would keep somebody out for nothing."""
    most = min(
        LONGEST[of] - (max(map(len, names)) - len(MARK)) for of, names in made_of_the_stacks_name().items()
    )
    assert most == LONGEST_STACK_NAME
    assert f"at most {most} characters" in (ROOT / "docs" / "operations.md").read_text()
    variables = (ROOT / "terraform" / "module_variables.tf").read_text()
    (pattern,) = re.findall(r'variable "stack_name".*?regex\("(.+?)", var.stack_name\)', variables, re.DOTALL)
    taken = [bool(re.search(pattern, name)) for name in ("s" * most, "s" * (most + 1), "1st", "a_b", "a-1")]
    assert taken == [True, False, False, False, True]


def test_two_stacks_of_an_account_share_no_layer() -> None:
    """Else one stack's deletion would take the other's newest version with it."""
    assert ("AWS::Lambda::LayerVersion", "LayerName") in made_of_the_stacks_name()
