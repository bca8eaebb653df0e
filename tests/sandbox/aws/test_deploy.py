"""template.yaml becomes functions, queues, rules and a state machine, and says what it left out."""

import json

import boto3
import pytest

from stepdrain_sandbox.aws.account import ACCOUNT, REGION
from stepdrain_sandbox.aws.deploy import ROOT, Stack

TEMPLATE = ROOT / "template.yaml"
MADE = {
    "AWS::Lambda::Function",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::SQS::Queue",
    "AWS::SNS::Topic",
    "AWS::StepFunctions::StateMachine",
    "AWS::Events::Rule",
}


@pytest.fixture
def deployment(account):
    """The stack for a cluster called demo."""
    return Stack(TEMPLATE, {"ClusterName": "demo", "GroupNames": "workers"}, ACCOUNT, REGION).deploy()


def test_every_function_is_a_handler_that_can_be_called(deployment):
    """The template's Handler is what runs here: a typing error would fail on AWS only at the first drain."""
    assert "StartDrainFunction" in deployment.functions
    for function in deployment.functions.values():
        assert callable(function.load()), function.handler


def test_functions_get_their_environment_from_the_template(deployment):
    """With parameters and attributes of other resources put in."""
    environment = deployment.functions["StartDrainFunction"].environment
    assert environment["STEPDRAIN_CLUSTER"] == "demo"
    assert environment["STEPDRAIN_STATE_MACHINE_ARN"] == deployment.state_machines["DrainNode"]


def test_the_state_machine_calls_the_deployed_functions(deployment):
    """Every placeholder is substituted, and each ARN is one of the deployment's."""
    client = boto3.client("stepfunctions", region_name=REGION)
    arn = deployment.state_machines["DrainNode"]
    text = client.describe_state_machine(stateMachineArn=arn)["definition"]
    assert "${" not in text
    states = json.loads(text)["States"].values()
    called = {one["Parameters"]["FunctionName"].split(":")[6] for one in states if one["Type"] == "Task"}
    assert called <= {function.name for function in deployment.functions.values()}


def test_every_rule_has_a_target(deployment):
    """A rule without one drops its events."""
    events = boto3.client("events", region_name=REGION)
    rules = [rule["Name"] for rule in events.list_rules()["Rules"]]
    assert rules
    for rule in rules:
        assert events.list_targets_by_rule(Rule=rule)["Targets"], rule


def test_what_start_drain_cannot_take_goes_to_the_dead_letters(deployment):
    """G6."""
    name = deployment.functions["StartDrainFunction"].name
    assert deployment.failure_queues[name] == deployment.queues["DeadLetters"].rsplit("/", 1)[1]


def test_what_has_no_counterpart_is_listed(deployment):
    """Left out in the open, never half made."""
    assert deployment.ignored
    assert MADE.isdisjoint(deployment.ignored.values())


def test_a_condition_that_does_not_hold_makes_nothing(account):
    """Schedules, hooks and subscriptions are optional."""
    with_mail = Stack(
        TEMPLATE, {"ClusterName": "demo", "NotificationEmail": "a@example.com"}, ACCOUNT, REGION
    ).deploy()
    without = Stack(TEMPLATE, {"ClusterName": "demo"}, ACCOUNT, REGION).deploy()
    kinds = [deployed.ignored.values() for deployed in (with_mail, without)]
    assert ["AWS::SNS::Subscription" in kind for kind in kinds] == [True, False]


def test_a_parameter_that_does_not_exist_is_named(account):
    """CloudFormation refuses it too; here a test would run with the default and prove nothing."""
    with pytest.raises(ValueError, match="The template has no parameter ClusterNmae"):
        Stack(TEMPLATE, {"ClusterNmae": "demo"}, ACCOUNT, REGION)
