"""Names that the template makes of the stack's: how long a stack's name may be, and what stacks share."""

from stepdrain_sandbox.aws.deploy import ROOT
from tests.template.stack import Stack

LONGEST_STACK_NAME = 70
NAME_ENDS_AT = 80
"""https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""
PREFIX = "${AWS::StackName}"


def test_a_state_machines_name_fits_behind_the_longest_stack_name_that_the_runbook_allows():
    """CloudFormation takes 128 characters, and would fail in the middle of the deployment."""
    machines = Stack().of_type("AWS::StepFunctions::StateMachine").values()
    names = [machine["StateMachineName"] for machine in machines]
    assert len(names) == 2
    longest = max(len(name) for name in names) - len("stepdrain")
    assert longest + LONGEST_STACK_NAME == NAME_ENDS_AT
    assert f"{LONGEST_STACK_NAME} characters" in (ROOT / "docs" / "operations.md").read_text()
