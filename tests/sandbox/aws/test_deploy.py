"""template.yaml becomes functions, queues, rules and a state machine, and says what it left out."""

import json
import re

import boto3
import pytest
from samtranslator.yaml_helper import yaml_parse

from stepdrain_sandbox.aws.account import ACCOUNT, REGION
from stepdrain_sandbox.aws.deploy import ROOT, Stack, parsed
from stepdrain_sandbox.aws.event_invoke_config import EventInvokeConfig
from stepdrain_sandbox.aws.pre_deployment import DeploymentRefused, Existing

TEMPLATE = ROOT / "template.yaml"
MADE = {
    "AWS::Lambda::Function",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::SQS::Queue",
    "AWS::SNS::Topic",
    "AWS::StepFunctions::StateMachine",
    "AWS::Events::Rule",
}


SHORT_FORMS = """
Name: !Ref Cluster
Where: !If [InVpc, !GetAtt "Group.Arn", !Ref AWS::NoValue]
Both: !And [!Condition InVpc, !Not [!Equals [!Ref Cluster, ""]]]
Text: !Sub ["${A}-${B:x}", {A: !ImportValue a, B: !Select [0, !Split [",", !Join [",", [a, b]]]]}]
Attribute: !GetAtt [Group, Arn.Of.It]
Other: &other {Version: 2012-10-17, Mode: 0644, Wait: 1:30, On: yes, None: ~, Half: .5}
Same: {<<: *other, Found: !FindInMap [Map, !Ref Cluster, Key]}
Long: >-
  folded – text
  in two lines
"""


@pytest.fixture
def deployment(account):
    """The stack for a cluster called demo."""
    return Stack(TEMPLATE, {"ClusterName": "demo", "GroupNames": "workers"}, ACCOUNT, REGION).deploy()


def test_a_template_is_read_as_the_translator_reads_it():
    """libyaml reads it, not PyYAML: short forms, implicit types and anchors must come out the same."""
    theirs = yaml_parse(SHORT_FORMS)
    assert theirs["Where"] == {"Fn::If": ["InVpc", {"Fn::GetAtt": ["Group", "Arn"]}, {"Ref": "AWS::NoValue"}]}
    assert repr(parsed(SHORT_FORMS)) == repr(theirs)


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
    called = {
        state["Parameters"]["FunctionName"].split(":")[6] for state in states if state["Type"] == "Task"
    }
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
    assert deployment.invoke_configs[name].queue == deployment.queues["DeadLetters"].rsplit("/", 1)[1]


def test_an_events_age_and_retries_are_read_from_the_template(deployment):
    """What a function's EventInvokeConfig leaves out is Lambda's default, as for functions without one."""
    config = deployment.invoke_configs[deployment.functions["StartDrainFunction"].name]
    assert (config.oldest_s, config.retries) == (900, 2)
    assert EventInvokeConfig.of({"FunctionName": "f", "MaximumRetryAttempts": 0}) == EventInvokeConfig(
        oldest_s=21_600, retries=0, queue=""
    )


def test_what_has_no_counterpart_is_listed(deployment):
    """Left out in the open, never half made."""
    assert deployment.ignored
    assert MADE.isdisjoint(deployment.ignored.values())


def test_a_condition_that_does_not_hold_makes_nothing(account):
    """Schedules, hooks and subscriptions are optional."""
    with_mail = Stack(
        TEMPLATE, {"ClusterName": "demo", "NotificationEmail": "a@example.com"}, ACCOUNT, REGION
    ).deploy()
    without = Stack(TEMPLATE, {"ClusterName": "demo"}, ACCOUNT, REGION, name="another").deploy()
    kinds = [deployed.ignored.values() for deployed in (with_mail, without)]
    assert ["AWS::SNS::Subscription" in kind for kind in kinds] == [True, False]


def test_a_queues_address_is_known_before_the_queue_is_made(account):
    """Whatever refers to it is resolved first."""
    stack = Stack(TEMPLATE, {"ClusterName": "demo"}, ACCOUNT, REGION)
    known = stack._resolver.value({"Ref": "DeadLetters"})
    assert stack.deploy().queues["DeadLetters"] == known


@pytest.mark.parametrize(
    "other",
    [
        {"name": "other"},
        {"account": "210987654321"},
        {"region": "eu-central-1"},
        {"parameters": {"ClusterName": "other"}},
    ],
)
def test_another_stack_is_resolved_for_itself(account, other):
    """What was worked out for one deployment serves only its equals."""
    same = {"parameters": {"ClusterName": "demo"}, "account": ACCOUNT, "region": REGION, "name": "stepdrain"}
    stacks = Stack(TEMPLATE, **same), Stack(TEMPLATE, **{**same, **other}), Stack(TEMPLATE, **same)
    assert stacks[0]._key != stacks[1]._key
    assert stacks[0]._key == stacks[2]._key
    assert stacks[0]._plan() == stacks[2]._plan()
    assert stacks[0]._plan() != stacks[1]._plan()


def test_a_parameter_that_does_not_exist_is_named(account):
    """CloudFormation refuses it too; here a test would run with the default and prove nothing."""
    with pytest.raises(ValueError, match="The template has no parameter ClusterNmae"):
        Stack(TEMPLATE, {"ClusterNmae": "demo"}, ACCOUNT, REGION)


WITH_HOOKS = {"ClusterName": "demo", "GroupNames": "workers", "CreateLifecycleHooks": "true"}
CORDON_ROLE = f"arn:aws:iam::{ACCOUNT}:role/stepdrain-CordonRole"


def a_hook_that_exists():
    """Somebody made it by hand."""
    client = boto3.client("autoscaling", region_name=REGION)
    image = boto3.client("ec2", region_name=REGION).register_image(Name="node")["ImageId"]
    client.create_launch_configuration(
        LaunchConfigurationName="workers", ImageId=image, InstanceType="m5.large"
    )
    client.create_auto_scaling_group(
        AutoScalingGroupName="workers",
        LaunchConfigurationName="workers",
        MinSize=0,
        MaxSize=1,
        AvailabilityZones=[f"{REGION}a"],
    )
    client.put_lifecycle_hook(
        AutoScalingGroupName="workers",
        LifecycleHookName="stepdrain",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
    )
    return {}


REFUSED = {
    "hook": (a_hook_that_exists, "'workers|stepdrain' already exists"),
    "entry": (
        lambda: {"existing": Existing(access_entries={("demo", CORDON_ROLE)})},
        f"'{CORDON_ROLE}|demo' already exists",
    ),
    "aws-auth": (
        lambda: {"existing": Existing(config_map_clusters={"demo"})},
        "authentication mode must be set to one of [API, API_AND_CONFIG_MAP]",
    ),
    "stack name": (lambda: {"name": "s" * 71}, "#/StateMachineName: expected maxLength: 80, actual: 81"),
}


def things(account):
    """What an account holds that a deployment makes."""
    clients = [("sqs", "list_queues"), ("events", "list_rules"), ("stepfunctions", "list_state_machines")]
    answers = [getattr(boto3.client(name, region_name=REGION), operation)() for name, operation in clients]
    return [value for answer in answers for value in answer.values() if isinstance(value, list) and value]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_in_the_way_is_refused_with_a_sentence_and_nothing_is_made(account, name):
    """Half an installation takes events, and drains nothing."""
    prepare, sentence = REFUSED[name]
    stack = Stack(TEMPLATE, WITH_HOOKS, ACCOUNT, REGION, **prepare())
    with pytest.raises(DeploymentRefused, match=re.escape(sentence)):
        stack.deploy()
    assert things(account) == []


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("hook", {"CreateLifecycleHooks": "false"}),
        ("entry", {"CreateAccessEntries": "false"}),
        ("aws-auth", {"CreateAccessEntries": "false"}),
    ],
)
def test_what_the_runbook_says_then_is_deployed(account, name, changes):
    """docs/operations.md, Changing hooks: what a deployment may answer."""
    prepare, _ = REFUSED[name]
    Stack(TEMPLATE, {**WITH_HOOKS, **changes}, ACCOUNT, REGION, **prepare()).deploy()
    assert things(account)


def test_the_longest_name_of_a_stack_is_deployed(account):
    """One character more is refused."""
    made = Stack(TEMPLATE, WITH_HOOKS, ACCOUNT, REGION, name="s" * 70).deploy()
    assert made.state_machines["DrainNode"].endswith("s-DrainNode")


@pytest.mark.parametrize("answer", ["already exists", "must be set to one of", "expected maxLength: 80"])
def test_the_runbook_has_each_answer_in_cloudformations_words(answer):
    """A person searches for what the deployment has said."""
    runbook = (ROOT / "docs" / "operations.md").read_text()
    answers = runbook.split("What a deployment may answer:")[1].split("\n## ")[0]
    assert answer in answers
