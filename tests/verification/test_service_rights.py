"""What AWS services do with a role is asked of IAM's simulator, action by action."""

import copy

import boto3
import pytest
from stepdrain.verification import aws_rights

from stepdrain_cli.accounts.account import Account
from stepdrain_cli.verification import service_rights
from stepdrain_cli.verification.deployed import deployed
from stepdrain_sandbox.aws import simulation
from stepdrain_sandbox.aws.account import REGION
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import World

EVERYTHING = {
    "GroupNames": "workers,b,c,d,e,f",
    "MaxConcurrentDrains": "2",
    "SubnetIds": "subnet-1",
    "SecurityGroupIds": "sg-1",
    "Tracing": "true",
    "KmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/1",
}
PLACE = aws_rights.Place(
    "demo", "workers", "stepdrain", "i-1", lease_table="leases", cache_table="cache", group_list="list"
)


@pytest.fixture(scope="module")
def world():
    """Everything on that gives a service something to do."""
    with World(workload=cluster_workload, parameters=EVERYTHING) as world:
        yield world


@pytest.fixture(scope="module")
def made(world):
    session = boto3.Session(region_name=REGION)
    return deployed(Account(session, world.machine, world.clock.now, world.clock.sleep, world), "stepdrain")


def listed(value):
    return [value] if isinstance(value, str) else list(value)


def wrong(made):
    return {
        (finding.by, finding.what): finding
        for finding in service_rights.findings(made)
        if finding.result != "ok"
    }


def without(policies, role, action):
    """The policies of all roles, less one action of one role, or of each if that is None."""
    return {
        name: [less(statement, action) for statement in statements] if role in (None, name) else statements
        for name, statements in policies.items()
    }


def less(statement, action):
    return {
        **statement,
        "Action": [
            granted_action for granted_action in listed(statement["Action"]) if granted_action != action
        ],
    }


def test_a_healthy_installation_lacks_nothing(made):
    """With all parameters that give a role more to do; the Deny for functions' code is none for Lambda."""
    assert wrong(made) == {}


def test_each_action_of_a_service_that_is_missing_is_found(world, made, monkeypatch):
    """One by one, of each role that has it, and no other is named with it."""
    before = world.aws.deployment.policies
    pairs = {(use.by, action) for use in service_rights.uses(made) for action in use.actions}
    for action in sorted({action for _, action in pairs}):
        monkeypatch.setattr(world.aws.deployment, "policies", without(before, None, action))
        found = wrong(made)
        assert {(by, what.partition(" ")[0]) for by, what in found} == {
            pair for pair in pairs if pair[1] == action
        }
        assert {finding.remedy for finding in found.values()} == {"iam"}


def test_a_log_that_cannot_be_written_only_leaves_less_to_read(world, made, monkeypatch):
    """The drain goes on; whoever looks for it finds no log."""
    poorer = without(world.aws.deployment.policies, "stepdrain-LabelRole", "logs:PutLogEvents")
    monkeypatch.setattr(world.aws.deployment, "policies", poorer)
    (found,) = wrong(made).values()
    assert found.result == "degraded"
    assert found.said == (
        "No policy allows it to arn:aws:iam::123456789012:role/stepdrain-LabelRole, on "
        "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/stepdrain-Label:log-stream:verify."
    )


def test_a_right_on_another_resource_is_none(world, made, monkeypatch):
    """A role that may send to somebody else's queue alone keeps no failed event."""
    other = copy.deepcopy(world.aws.deployment.policies)
    for statement in other["stepdrain-SweepRole"]:
        if statement["Action"] == "sqs:SendMessage":
            statement["Resource"] = "arn:aws:sqs:eu-west-1:123456789012:another"
    monkeypatch.setattr(world.aws.deployment, "policies", other)
    assert list(wrong(made)) == [("Sweep", "sqs:SendMessage")]


def test_whatever_a_role_grants_is_tried_or_simulated(world, made):
    """A right that nobody looks at would be missed by a drain alone."""
    simulated = {(use.by, action) for use in service_rights.uses(made) for action in use.actions}
    functions = [name.removesuffix("Function") for name in world.aws.deployment.functions]
    tried = {
        (name, action.partition(" ")[0])
        for name in functions
        for action, _ in aws_rights.calls_of(name, PLACE)
    }
    granted = {
        (role.removeprefix("stepdrain-").removesuffix("Role"), action)
        for role, statements in world.aws.deployment.policies.items()
        for statement in statements
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
    }
    assert granted == tried | simulated


@pytest.mark.parametrize(
    ("statement", "decision"),
    [
        ({"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:*:q"}, "allowed"),
        ({"Effect": "Allow", "Action": "SQS:sendmessage", "Resource": "*"}, "allowed"),
        ({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:*:*:p"}, "implicitDeny"),
        ({"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}, "explicitDeny"),
        (
            {
                "Effect": "Allow",
                "Action": "sqs:*",
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:PrincipalTag/team": "a"}},
            },
            "implicitDeny",
        ),
    ],
)
def test_the_simulator_decides_as_iam_does(statement, decision):
    """Actions regardless of case, resources as written, and no condition on a key that is not given."""
    asked = {"ActionNames": ["sqs:SendMessage"], "ResourceArns": ["arn:aws:sqs:eu-west-1:1:q"]}
    assert [result["EvalDecision"] for result in simulation.evaluated([statement], asked)] == [decision]


def test_the_simulator_gives_one_result_for_an_action_and_the_most_restrictive():
    """However many resources are asked about; each has its own decision below."""
    statements = [
        {"Effect": "Allow", "Action": "sqs:*", "Resource": "a"},
        {"Effect": "Deny", "Action": "sqs:*", "Resource": "b"},
    ]
    asked = {"ActionNames": ["sqs:SendMessage"], "ResourceArns": ["a", "b", "c"]}
    (one,) = simulation.evaluated(statements, asked)
    assert one["EvalDecision"] == "explicitDeny"
    each = [result["EvalResourceDecision"] for result in one["ResourceSpecificResults"]]
    assert each == ["allowed", "explicitDeny", "implicitDeny"]
