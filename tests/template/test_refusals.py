"""Parameters that cannot work are refused at deployment, with a sentence that says what to give."""

from __future__ import annotations

import json

import pytest

from statemachine.arithmetic import longest_silence_s
from tests.template.stack import LEAST, ROOT, refusals, source


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"GroupNames": "blue,green", "CreateLifecycleHooks": "true", "HeartbeatTimeout": "7200"},
        {"GroupNames": "blue, green"},
        {"GroupNames": "a,b,c,d,e,f"},
        {"GroupNames": "!#%&'()+./;<=>@[]^_`{|}~-"},
        {"GroupPrefix": "eksctl-demo-nodegroup-"},
        {"SubnetIds": "subnet-0a1b2c3d", "SecurityGroupIds": "sg-0a1b2c3d,sg-1a2b3c4d"},
        {"KubernetesGroupPrefix": "platform:stepdrain"},
        {"PermissionsBoundaryArn": "arn:aws-us-gov:iam::123456789012:policy/boundary"},
        {"NotificationEmail": "on-call@example.com"},
        {"GracePeriod": "-1"},
        {"WaitForTargets": "3600"},
        {"WaitForTargets": "off"},
    ],
)
def test_parameters_that_work_are_taken(parameters: dict[str, str]) -> None:
    """A pattern that is too narrow would keep somebody out for nothing."""
    assert refusals(**parameters) == []


REFUSED = [
    ({"SubnetIds": "subnet-0a1b2c3d"}, "without SecurityGroupIds"),
    ({"SecurityGroupIds": "sg-0a1b2c3d"}, "without SubnetIds"),
    ({"GroupNames": "blue", "GroupPrefix": "gre"}, "not both"),
    ({"CreateLifecycleHooks": "true"}, "GroupNames is empty"),
    ({"CreateLaunchHooks": "true"}, "GroupNames is empty"),
    ({"AdmitTimeout": "30"}, "60 to 7200"),
    ({"LaunchHookName": "my hook"}, "name of a lifecycle hook"),
    ({"HookName": "one", "LaunchHookName": "one"}, "no two hooks of one name"),
    ({"LaunchHookName": "stepdrain"}, "no two hooks of one name"),
    ({"CreateLifecycleHooks": "true", "GroupPrefix": "gre"}, "GroupNames is empty"),
    ({"HeartbeatTimeout": "900"}, "within one round"),
    ({"HeartbeatTimeout": "7201"}, "1200 to 7200 seconds"),
    ({"LogRetentionDays": "100"}, "certain retention times"),
    ({"GroupNames": "web-1,web1"}, "for web-1 and web1"),
    ({"GroupNames": "blue,green,blue"}, "for blue and blue"),
    ({"GroupNames": "*"}, "are not taken"),
    ({"GroupNames": "x" * 241}, "up to 240 characters"),
    ({"GroupNames": "blue,gr?en"}, "are not taken"),
    ({"GroupNames": "${aws:username}"}, "are not taken"),
    ({"GroupNames": 'a"b'}, "are not taken"),
    ({"GroupNames": "a\\b"}, "are not taken"),
    ({"GroupPrefix": "prod-?"}, "wildcards"),
    ({"ClusterName": "demo/*"}, "name of an EKS cluster"),
    ({"OtherClusterNames": "a-b,ab"}, "for a-b and ab"),
    ({"KmsKeyArn": "alias/mine"}, "ARN of a KMS key"),
    ({"CodeSigningConfigArn": "csc-1"}, "ARN of a code signing configuration"),
    ({"OtherClusterNames": "*"}, "names of EKS clusters"),
    ({"ClusterName": ""}, "name of an EKS cluster"),
    ({"HookName": "my hook"}, "name of a lifecycle hook"),
    ({"DrainTimeout": "172801"}, "48 hours"),
    ({"BatchSize": "0"}, "1 to 1000"),
    ({"GracePeriod": "-2"}, "the pod's own"),
    ({"StuckAfter": "10"}, "needs the first minute"),
    ({"OnTimeout": "retry"}, "fail"),
    ({"WaitForTargets": "3601"}, "longest deregistration delay"),
    ({"SettleTime": "121"}, "before the first heartbeat"),
    ({"WaitForTargets": "0"}, "longest deregistration delay"),
    ({"OnTimeout": "force", "AllowForce": "false"}, "fail with KubeForbidden"),
    ({"KubernetesGroupPrefix": "system:masters"}, "does not begin with system:"),
    ({"SubnetIds": "subnet-xyz", "SecurityGroupIds": "sg-0a1b2c3d"}, "subnet ids"),
    ({"NotificationEmail": "on-call"}, "e-mail address"),
    ({"PermissionsBoundaryArn": "boundary"}, "ARN of an IAM policy"),
    ({"LongDrainMinutes": "1"}, "5 to 2880"),
    ({"LogLevel": "WARN"}, "DEBUG"),
    ({"LogLevel": "ERROR"}, "DEBUG"),
    ({"SweepMinutes": "1"}, "2 to 15"),
    ({"SweepMinutes": "20"}, "20 minutes at least"),
]


@pytest.mark.parametrize(("parameters", "sentence"), REFUSED)
def test_parameters_that_cannot_work_are_refused_with_a_sentence(
    parameters: dict[str, str], sentence: str
) -> None:
    """Otherwise the first drain finds out, or a policy grants more than anybody meant."""
    (refusal,) = refusals(**parameters)
    assert sentence in refusal


def test_the_shortest_heartbeat_timeout_outlasts_the_longest_round() -> None:
    """A hook that runs out within a round would end the instance under its pods."""
    machine = json.loads((ROOT / "statemachine" / "drain_node.asl.json").read_text())
    shortest = source()["Parameters"]["HeartbeatTimeout"]["MinValue"]
    assert longest_silence_s(machine, shortest) < shortest


def test_every_parameter_that_can_be_refused_has_its_sentence() -> None:
    """CloudFormation's own words show a regular expression to whoever deploys."""
    constrained = ("AllowedPattern", "MinValue", "MaxValue")
    silent = [
        name
        for name, declared in source()["Parameters"].items()
        if any(key in declared for key in constrained) and "ConstraintDescription" not in declared
    ]
    assert silent == []


def test_every_parameter_but_the_cluster_has_a_default() -> None:
    """`sam deploy --guided` asks one question that has no answer yet."""
    assert [n for n, p in source()["Parameters"].items() if "Default" not in p] == list(LEAST)
