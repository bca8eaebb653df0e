"""What each role may do, on what, and who may take it. One table: a change here is a decision."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from stepdrain_sandbox.aws.permissions import document
from tests.template.stack import ROOT, Stack

ROLE = "AWS::IAM::Role"
GROUP = "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:*:autoScalingGroupName/"
CLUSTER = "arn:aws:eks:eu-west-1:123456789012:cluster/demo"
CACHE = "<CacheTable.Arn>"
EXECUTIONS = "arn:aws:states:eu-west-1:123456789012:execution:<DrainNode.Name>:*"

DIRECT = ("Terminate", "Launch", "Health")
"""Rules that invoke StartDrain; the others put notices into its queue."""
STARTING = ("Terminate", "Launch", "SpotInterruption", "Rebalance", "Health", "Capacity", "StateChange")
# Action and resource of everything granted, the function's own log left out.
GRANTS = {
    "StartDrainRole": {
        ("autoscaling:DescribeAutoScalingGroups", "*"),
        ("autoscaling:DescribeLifecycleHooks", "*"),
        ("ec2:DescribeInstances", "*"),
        ("states:StartExecution", "<DrainNode>"),
        ("states:StartExecution", "<AdmitNode>"),
        ("states:ListExecutions", "<DrainNode>"),
        ("states:DescribeExecution", EXECUTIONS),
        ("states:StopExecution", EXECUTIONS),
        ("sqs:SendMessage", "<DeadLetters.Arn>"),
        ("sqs:ReceiveMessage", "<Notices.Arn>"),
        ("sqs:DeleteMessage", "<Notices.Arn>"),
        ("sqs:GetQueueAttributes", "<Notices.Arn>"),
        ("eks:DescribeCluster", CLUSTER),
        ("dynamodb:GetItem", CACHE),
        ("dynamodb:PutItem", CACHE),
    },
    "SweepRole": {
        ("dynamodb:GetItem", CACHE),
        ("dynamodb:PutItem", CACHE),
        ("ec2:DescribeInstanceStatus", "*"),
        ("ec2:DescribeInstances", "*"),
        ("autoscaling:DescribeAutoScalingGroups", "*"),
        ("autoscaling:DescribeLifecycleHooks", "*"),
        ("autoscaling:DescribeScalingActivities", "*"),
        ("states:ListExecutions", "<DrainNode>"),
        ("states:StartExecution", "<DrainNode>"),
        ("states:ListExecutions", "<AdmitNode>"),
        ("states:StartExecution", "<AdmitNode>"),
        ("states:DescribeExecution", EXECUTIONS),
        ("states:StopExecution", EXECUTIONS),
        ("sqs:SendMessage", "<DeadLetters.Arn>"),
    },
    "FindNodeRole": {
        ("autoscaling:DescribeAutoScalingInstances", "*"),
        ("autoscaling:DescribeAutoScalingGroups", "*"),
        ("autoscaling:DescribeLifecycleHooks", "*"),
        ("ec2:DescribeInstances", "*"),
        ("eks:DescribeCluster", CLUSTER),
        ("dynamodb:GetItem", CACHE),
    },
    "LabelRole": {("eks:DescribeCluster", CLUSTER), ("dynamodb:GetItem", CACHE)},
    "CordonRole": {("eks:DescribeCluster", CLUSTER), ("dynamodb:GetItem", CACHE)},
    "EvictBatchRole": {("eks:DescribeCluster", CLUSTER), ("dynamodb:GetItem", CACHE)},
    "WaitForPodsRole": {("eks:DescribeCluster", CLUSTER), ("dynamodb:GetItem", CACHE)},
    "WaitForVolumesRole": {("eks:DescribeCluster", CLUSTER), ("dynamodb:GetItem", CACHE)},
    "WaitForTargetsRole": {
        ("eks:DescribeCluster", CLUSTER),
        ("dynamodb:GetItem", CACHE),
        ("tag:GetResources", "*"),
        ("autoscaling:DescribeAutoScalingGroups", "*"),
        ("elasticloadbalancing:DescribeTargetHealth", "*"),
        ("elasticloadbalancing:DescribeInstanceHealth", "*"),
    },
    "WaitForNodeRole": {
        ("ec2:DescribeInstances", "*"),
        ("eks:DescribeCluster", CLUSTER),
        ("dynamodb:GetItem", CACHE),
    },
    "UncordonRole": {
        ("eks:DescribeCluster", CLUSTER),
        ("dynamodb:GetItem", CACHE),
        ("states:DescribeExecution", EXECUTIONS),
    },
    "HeartbeatRole": {("autoscaling:RecordLifecycleActionHeartbeat", f"{GROUP}blue")},
    "CompleteActionRole": {
        ("autoscaling:CompleteLifecycleAction", f"{GROUP}blue"),
        ("ec2:DescribeInstances", "*"),
    },
    "NotifyRole": {
        ("states:DescribeExecution", EXECUTIONS),
        ("states:GetExecutionHistory", EXECUTIONS),
        ("eks:DescribeCluster", CLUSTER),
        ("dynamodb:GetItem", CACHE),
        ("sns:Publish", "<Notifications>"),
        ("kms:Decrypt", "<Key.Arn>"),
        ("kms:GenerateDataKey", "<Key.Arn>"),
        ("sqs:SendMessage", "<DeadLetters.Arn>"),
    },
}
# Actions without a resource to name, and where that is written.
IAM = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_"
WITHOUT_RESOURCE = {
    "autoscaling:DescribeAutoScalingGroups": IAM + "amazonec2autoscaling.html",
    "autoscaling:DescribeAutoScalingInstances": IAM + "amazonec2autoscaling.html",
    "autoscaling:DescribeLifecycleHooks": IAM + "amazonec2autoscaling.html",
    "autoscaling:DescribeScalingActivities": IAM + "amazonec2autoscaling.html",
    "ec2:DescribeInstances": IAM + "amazonec2.html",
    "ec2:DescribeInstanceStatus": IAM + "amazonec2.html",
    "ec2:DescribeNetworkInterfaces": IAM + "amazonec2.html",
    "ec2:DescribeSubnets": IAM + "amazonec2.html",
    "logs:CreateLogDelivery": IAM + "amazoncloudwatchlogs.html",
    "logs:GetLogDelivery": IAM + "amazoncloudwatchlogs.html",
    "logs:UpdateLogDelivery": IAM + "amazoncloudwatchlogs.html",
    "logs:DeleteLogDelivery": IAM + "amazoncloudwatchlogs.html",
    "logs:ListLogDeliveries": IAM + "amazoncloudwatchlogs.html",
    "logs:PutResourcePolicy": IAM + "amazoncloudwatchlogs.html",
    "logs:DescribeResourcePolicies": IAM + "amazoncloudwatchlogs.html",
    "logs:DescribeLogGroups": "https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html",
    "elasticloadbalancing:DescribeTargetHealth": IAM + "awselasticloadbalancingv2.html",
    "elasticloadbalancing:DescribeInstanceHealth": IAM + "awselasticloadbalancing.html",
    "tag:GetResources": IAM + "amazonresourcegrouptaggingapi.html",
    "xray:PutTraceSegments": IAM + "awsx-ray.html",
    "xray:PutTelemetryRecords": IAM + "awsx-ray.html",
    "xray:GetSamplingRules": IAM + "awsx-ray.html",
    "xray:GetSamplingTargets": IAM + "awsx-ray.html",
}


def listed(value: Any) -> list[Any]:
    """A list, where IAM also takes a single value."""
    return value if isinstance(value, list) else [value]


def statements(stack: Stack) -> list[tuple[str, dict[str, Any]]]:
    """Every statement of every identity policy, with the logical id of its role or policy."""
    of_roles = [
        (name, statement)
        for name, role in stack.of_type(ROLE).items()
        for policy in role["Policies"]
        for statement in document(policy["PolicyDocument"])["Statement"]
    ]
    shared = [
        (name, statement)
        for name, policy in stack.of_type("AWS::IAM::ManagedPolicy").items()
        for statement in document(policy["PolicyDocument"])["Statement"]
    ]
    return of_roles + shared


def grants(stack: Stack, role: str) -> set[tuple[str, str]]:
    """(action, resource) pairs of a role, its own log left out."""
    return {
        (action, resource)
        for name, statement in statements(stack)
        if name == role and statement["Sid"] != "OwnLog"
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


@pytest.mark.parametrize("role", GRANTS)
def test_a_role_grants_exactly_what_the_table_says(role: str) -> None:
    """Neither more, for whoever gets hold of it, nor less, for whoever waits for its drain."""
    assert grants(Stack(GroupNames="blue"), role) == GRANTS[role]


def test_the_security_page_lists_what_each_role_may_do() -> None:
    """A reviewer reads that page, and no test."""
    page = (ROOT / "docs" / "security.md").read_text()
    explained = {
        (f"{name}Role", action)
        for names, actions in re.findall(
            r"^\| ([A-Z][\w, ]+) \| ((?:`\w+:\w+`(?:, )?)+) \|", page, re.MULTILINE
        )
        for name in names.split(", ")
        for action in re.findall(r"`([^`]+)`", actions)
    }
    full = Stack(MaxConcurrentDrains="1", GroupNames="a,b,c,d,e,f")
    assert {action for action in explained if action[0] in GRANTS} == {
        (role, action) for role in GRANTS for action, _ in grants(full, role)
    }


def test_the_table_has_every_role_but_the_state_machines(stack: Stack) -> None:
    """A new function needs a line in the table."""
    assert set(stack.of_type(ROLE)) == {*GRANTS, "DrainNodeRole", "AdmitNodeRole"}


def test_every_function_has_a_role_of_its_own(stack: Stack) -> None:
    """What one may do, another may not."""
    roles = {n: f["Role"] for n, f in stack.of_type("AWS::Lambda::Function").items()}
    assert roles == {name: f"<{name.replace('Function', 'Role')}.Arn>" for name in roles}


def test_a_function_writes_to_its_own_log_alone(stack: Stack) -> None:
    """Nobody can write into another function's story, or make log groups without retention."""
    own = [(n, s) for n, s in statements(stack) if s["Sid"] == "OwnLog"]
    assert {n for n, _ in own} == set(GRANTS)
    for name, statement in own:
        assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
        assert statement["Resource"] == f"<{name.replace('Role', 'LogGroup')}.Arn>"


def test_the_admission_invokes_the_functions_of_its_states_alone(stack: Stack) -> None:
    """An arrival evicts nothing."""
    invokes = {r for a, r in grants(stack, "AdmitNodeRole") if a == "lambda:InvokeFunction"}
    assert invokes == {f"<{s}Function.Arn>" for s in ("WaitForNode", "Uncordon", "CompleteAction")}


def test_the_state_machine_invokes_the_functions_of_its_states_alone(stack: Stack) -> None:
    """StartDrain, Sweep and Notify are called by rules, never by a state."""
    invokes = {r for a, r in grants(stack, "DrainNodeRole") if a == "lambda:InvokeFunction"}
    assert invokes == {
        f"<{state}Function.Arn>"
        for state in (
            "FindNode",
            "Label",
            "Cordon",
            "EvictBatch",
            "WaitForPods",
            "Heartbeat",
            "WaitForVolumes",
            "WaitForTargets",
            "CompleteAction",
        )
    }


@pytest.mark.parametrize(
    ("parameters", "groups"),
    [
        ({"GroupNames": "a,b,c,d,e,f"}, {"a", "b", "c", "d", "e", "f"}),
        ({"GroupPrefix": "nodes-"}, {"nodes-*"}),
    ],
)
def test_lifecycle_actions_are_granted_on_the_groups_that_are_served(
    parameters: dict[str, str], groups: set[str]
) -> None:
    """A group that is not ours cannot be touched even by a mistake in the code."""
    for role in ("HeartbeatRole", "CompleteActionRole"):
        granted = grants(Stack(**parameters), role) - {("ec2:DescribeInstances", "*")}
    assert {group_of(resource) for _, resource in granted} == groups


ANY_GROUP = f"{GROUP}*"
BY_TAG = "autoscaling:ResourceTag/kubernetes.io/cluster/"


@pytest.mark.parametrize(
    ("role", "action"),
    [
        ("Heartbeat", "autoscaling:RecordLifecycleActionHeartbeat"),
        ("CompleteAction", "autoscaling:CompleteLifecycleAction"),
    ],
)
def test_without_names_and_prefix_only_groups_with_a_clusters_tag_can_be_touched(
    role: str, action: str
) -> None:
    """No default reaches every group of the account.

    Both actions know the tags of the group
    (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2autoscaling.html)."""
    stack = Stack(OtherClusterNames="blue, green-1")
    others = stack.of_type("AWS::IAM::ManagedPolicy")
    assert others[f"{role}Inblue"]["Roles"] == others[f"{role}Ingreen1"]["Roles"] == [f"<{role}Role>"]
    granting = [
        (statement["Resource"], statement["Condition"])
        for name, statement in statements(stack)
        if statement["Action"] == action and name.startswith(role)
    ]
    assert granting == [
        (ANY_GROUP, {"Null": {f"{BY_TAG}{cluster}": "false"}}) for cluster in ("demo", "blue", "green-1")
    ]
    named = Stack(OtherClusterNames="blue", GroupNames="workers")
    assert BY_TAG not in json.dumps(named.resources)


def group_of(resource: str) -> str:
    """The group in an ARN of Auto Scaling."""
    (group,) = re.findall(
        r"^arn:(?:aws|\*):autoscaling:(?:eu-west-1|\*):(?:123456789012|\*):autoScalingGroup:\*:"
        r"autoScalingGroupName/(.+)$",
        resource,
    )
    return str(group)


def test_an_arn_that_leaves_the_region_open_is_bound_to_it_by_a_condition() -> None:
    """Fn::Join takes no function for what it puts between, so that the ARNs of a list name no region.

    A role acts in its own account alone: neither service has policies of resources that let others in."""
    stack = Stack(GroupNames="a,b", OtherClusterNames="c,d")
    open_ones = [s for _, s in statements(stack) if "arn:*" in json.dumps(s["Resource"])]
    assert len(open_ones) == 3
    assert all(s["Condition"] == {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}} for s in open_ones)


def test_a_star_stands_only_where_the_action_knows_no_resource(full: Stack) -> None:
    """Each exception has its source in the table."""
    for name, statement in statements(full):
        if "*" in listed(statement["Resource"]) and statement["Effect"] == "Allow":
            assert set(listed(statement["Action"])) <= set(WITHOUT_RESOURCE), name


def test_no_action_is_granted_by_a_wildcard(full: Stack) -> None:
    """What a wildcard grants grows with every new API."""
    assert not [s for _, s in statements(full) if "*" in json.dumps(s["Action"])]


def test_a_role_is_taken_only_by_its_service_in_this_account(stack: Stack) -> None:
    """The confused deputy: a service that acts for somebody else's account must be refused
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html)."""
    for name, role in stack.of_type(ROLE).items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}, name
        assert trust["Principal"] in (
            {"Service": "lambda.amazonaws.com"},
            {"Service": "states.amazonaws.com"},
        )
    (machine,) = stack.of_type(ROLE)["DrainNodeRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert machine["Condition"]["ArnLike"]["aws:SourceArn"].endswith(":stateMachine:stepdrain-DrainNode*")


def test_queue_topic_and_functions_take_from_named_sources_alone(stack: Stack) -> None:
    """Each resource policy says which rule or alarm it means; plain HTTP is refused."""
    policies = {**stack.of_type("AWS::SQS::QueuePolicy"), **stack.of_type("AWS::SNS::TopicPolicy")}
    for policy in policies.values():
        allow, deny = policy["PolicyDocument"]["Statement"]
        assert "aws:SourceArn" in json.dumps(allow["Condition"])
        # By name and not by its beginning: another stack's name may begin like this one's.
        assert "*" not in json.dumps(allow["Condition"])
        assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    permissions = stack.of_type("AWS::Lambda::Permission").values()
    assert {(p["FunctionName"], p["SourceArn"]) for p in permissions} == {
        ("<SweepFunction>", "<SweepRule.Arn>"),
        *(("<StartDrainFunction>", f"<{rule}Rule.Arn>") for rule in DIRECT),
        ("<NotifyFunction>", "<StatusRule.Arn>"),
    }


def test_a_subnet_that_another_account_shares_can_be_used(full: Stack) -> None:
    """Its ARN has the owner's account (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-sharing.html)."""
    shared = ("ec2:CreateNetworkInterface", "arn:aws:ec2:eu-west-1:*:subnet/*")
    assert shared in grants(full, "VpcPolicy")


KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def test_a_given_key_encrypts_everything_and_no_other_is_made() -> None:
    """Who has to show one key for all data at rest shows this one."""
    stack = Stack(KmsKeyArn=KEY, MaxConcurrentDrains="1")
    assert not stack.of_type("AWS::KMS::Key")
    assert not stack.of_type("AWS::KMS::Alias")
    assert {g["KmsKeyId"] for g in stack.of_type("AWS::Logs::LogGroup").values()} == {KEY}
    assert {f["KmsKeyArn"] for f in stack.of_type("AWS::Lambda::Function").values()} == {KEY}
    (topic,) = stack.of_type("AWS::SNS::Topic").values()
    assert topic["KmsMasterKeyId"] == KEY
    for queue in stack.of_type("AWS::SQS::Queue").values():
        assert queue["KmsMasterKeyId"] == KEY
        assert "SqsManagedSseEnabled" not in queue
    for table in stack.of_type("AWS::DynamoDB::Table").values():
        assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}
    for machine in stack.of_type("AWS::StepFunctions::StateMachine").values():
        assert machine["EncryptionConfiguration"] == {"Type": "CUSTOMER_MANAGED_KMS_KEY", "KmsKeyId": KEY}
    used_by = stack.of_type("AWS::IAM::ManagedPolicy")["KeyPolicy"]["Roles"]
    assert set(used_by) == {f"<{name}>" for name in GRANTS}
    assert "<Key" not in json.dumps([stack.resources, stack.outputs])


@pytest.mark.parametrize("machine", ["DrainNode", "AdmitNode"])
def test_a_machine_uses_the_key_for_its_own_executions_and_logs(machine: str) -> None:
    """As the page has it, without kms:ViaService: the role uses the key itself
    (https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html)."""
    stack = Stack(KmsKeyArn=KEY)
    own = [s for n, s in statements(stack) if n == f"{machine}Role" and "kms:" in json.dumps(s["Action"])]
    states = f"arn:aws:states:eu-west-1:123456789012:stateMachine:stepdrain-{machine}"
    logs = "arn:aws:logs:eu-west-1:123456789012:*"
    assert [(s["Action"], s["Resource"], s["Condition"]["StringEquals"]) for s in own] == [
        (
            ["kms:Decrypt", "kms:GenerateDataKey"],
            KEY,
            {"kms:EncryptionContext:aws:states:stateMachineArn": states},
        ),
        ("kms:GenerateDataKey", KEY, {"kms:EncryptionContext:SourceArn": logs}),
    ]


def test_the_functions_that_read_executions_may_decrypt_those_of_drains() -> None:
    """Before anything starts by the alias that is encrypted."""
    stack = Stack(KmsKeyArn=KEY)
    policy = stack.of_type("AWS::IAM::ManagedPolicy")["ExecutionsKeyPolicy"]
    reading = {role for role in GRANTS if ("states:DescribeExecution", EXECUTIONS) in grants(stack, role)}
    assert set(policy["Roles"]) == {f"<{role}>" for role in reading}
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("kms:Decrypt", KEY)
    assert statement["Condition"]["StringEquals"] == {
        "kms:ViaService": "states.eu-west-1.amazonaws.com",
        "kms:EncryptionContext:aws:states:stateMachineArn": (
            "arn:aws:states:eu-west-1:123456789012:stateMachine:stepdrain-DrainNode"
        ),
    }
    for machine in ("DrainNode", "AdmitNode"):
        assert stack.resources[f"{machine}Aliaslive"]["Metadata"] == {"After": "<ExecutionsKeyPolicy>"}


def test_without_a_key_of_yours_the_stack_makes_one_for_logs_and_topic(stack: Stack) -> None:
    """AWS's own keys encrypt the rest, for nothing."""
    assert set(stack.of_type("AWS::KMS::Key")) == {"Key"}
    assert not {"KeyPolicy", "ExecutionsKeyPolicy"} & set(stack.resources)
    # Named, since a property that is gone would leave a machine with the key it had.
    for machine in stack.of_type("AWS::StepFunctions::StateMachine").values():
        assert machine["EncryptionConfiguration"] == {"Type": "AWS_OWNED_KEY"}
    assert "kms:" not in json.dumps(
        [stack.resources[f"{machine}Role"] for machine in ("DrainNode", "AdmitNode")]
    )
    assert not [f for f in stack.of_type("AWS::Lambda::Function").values() if "KmsKeyArn" in f]
    assert all(queue["SqsManagedSseEnabled"] is True for queue in stack.of_type("AWS::SQS::Queue").values())


def test_logs_and_key_stay_where_that_is_asked_for() -> None:
    """Some accounts must keep them longer than the stack that wrote them."""
    kinds = ("AWS::Logs::LogGroup", "AWS::KMS::Key")
    for policy in ("Delete", "Retain"):
        resources = Stack(OnDelete=policy).resources.values()
        found = {(r["DeletionPolicy"], r["UpdateReplacePolicy"]) for r in resources if r["Type"] in kinds}
        assert found == {(policy, policy)}


def test_a_code_signing_configuration_is_on_every_function(stack: Stack) -> None:
    """Accounts that demand one refuse a function without it."""
    arn = "arn:aws:lambda:eu-west-1:123456789012:code-signing-config:csc-0123456789abcdef0"
    signed = Stack(CodeSigningConfigArn=arn).of_type("AWS::Lambda::Function").values()
    assert {function["CodeSigningConfigArn"] for function in signed} == {arn}
    assert not [f for f in stack.of_type("AWS::Lambda::Function").values() if "CodeSigningConfigArn" in f]


def test_services_use_the_key_for_this_stack_alone(stack: Stack) -> None:
    """In a key's policy the resource is always the key, so the conditions are what limits it."""
    (key,) = stack.of_type("AWS::KMS::Key").values()
    admin, *services = key["KeyPolicy"]["Statement"]
    assert admin["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert all(s["Condition"] for s in services)


def test_network_and_tracing_permissions_exist_only_where_they_are_used(stack: Stack, full: Stack) -> None:
    """A function outside a VPC must not be able to make network interfaces."""
    assert not stack.of_type("AWS::IAM::ManagedPolicy")
    attached = {n: set(r["ManagedPolicyArns"]) for n, r in full.of_type(ROLE).items()}
    assert {n for n, arns in attached.items() if "<VpcPolicy>" in arns} == {
        "FindNodeRole", "LabelRole", "CordonRole", "EvictBatchRole", "WaitForPodsRole",
        "WaitForVolumesRole", "WaitForTargetsRole", "WaitForNodeRole", "UncordonRole", "NotifyRole",
    }  # fmt: skip
    assert all("<TracingPolicy>" in arns for arns in attached.values())


def test_other_clusters_are_found_by_the_functions_that_talk_to_kubernetes_alone(stack: Stack) -> None:
    """And no cluster besides them."""
    two = Stack(OtherClusterNames="blue,green")
    assert grants(two, "OtherClustersPolicy") == {
        ("eks:DescribeCluster", CLUSTER.replace("demo", "blue")),
        ("eks:DescribeCluster", "arn:*:eks:*:*:cluster/green"),
    }
    attached = {n: set(r["ManagedPolicyArns"]) for n, r in two.of_type(ROLE).items()}
    finding = {n for n in attached if ("eks:DescribeCluster", CLUSTER) in grants(stack, n)}
    assert {n for n, arns in attached.items() if "<OtherClustersPolicy>" in arns} == finding


def test_leases_are_granted_only_where_drains_are_limited(stack: Stack) -> None:
    """To those who take a turn and give it up, on the one table."""
    limited, table = Stack(MaxConcurrentDrains="2"), "<LeaseTable.Arn>"
    taken = grants(limited, "EvictBatchRole") - grants(stack, "EvictBatchRole")
    assert taken == {("dynamodb:Query", table), ("dynamodb:PutItem", table)}
    given_up = grants(limited, "CompleteActionRole") - grants(stack, "CompleteActionRole")
    assert given_up == {("dynamodb:Query", table), ("dynamodb:DeleteItem", table)}


SIXTY = ",".join(f"prod-eu-west-1-nodes-of-team-number-{n:04}" for n in range(60))
MOST_INLINE = 10_240
"""Characters of a role's inline policies (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)."""


def test_sixty_long_names_fit_into_every_role(stack: Stack) -> None:
    """A role that is too long fails in the middle of a deployment."""
    assert len(SIXTY.split(",")[0]) == 40
    for name, role in Stack(GroupNames=SIXTY, MaxConcurrentDrains="1").of_type(ROLE).items():
        documents = [
            json.dumps(policy["PolicyDocument"], separators=(",", ":")) for policy in role["Policies"]
        ]
        # What stands in for an ARN here is shorter than one.
        assert sum(map(len, documents)) + 100 * json.dumps(documents).count("<") < MOST_INLINE, name


def test_the_list_of_groups_is_read_by_those_who_ask_whether_a_group_is_ours() -> None:
    """And only where there is a list."""
    read = ("ssm:GetParameter", "arn:aws:ssm:eu-west-1:123456789012:parameter/<GroupList>")
    many, few = Stack(GroupNames="a,b,c,d,e,f"), Stack(GroupNames="a,b,c,d,e")
    assert {role for role in GRANTS if read in grants(many, role)} == {
        "StartDrainRole",
        "SweepRole",
        "FindNodeRole",
    }
    assert "ssm:" not in json.dumps(few.resources)


def test_function_code_cannot_use_the_network_permissions(full: Stack) -> None:
    """They are Lambda's own: every one that is granted is denied to the code."""
    allowed, denied = set(), set()
    for statement in full.of_type("AWS::IAM::ManagedPolicy")["VpcPolicy"]["PolicyDocument"]["Statement"]:
        (allowed if statement["Effect"] == "Allow" else denied).update(listed(statement["Action"]))
    assert allowed == denied


def test_a_permissions_boundary_is_on_every_role(full: Stack, stack: Stack) -> None:
    """Accounts that demand one refuse a role without it."""
    boundary = "arn:aws:iam::123456789012:policy/boundary"
    assert {r["PermissionsBoundary"] for r in full.of_type(ROLE).values()} == {boundary}
    assert not [r for r in stack.of_type(ROLE).values() if "PermissionsBoundary" in r]
