"""The doctor: output to the letter on an account with the groups people have, and each wrong by itself."""

import contextlib
import json
import re

import boto3
import pytest
from click.testing import CliRunner

from statemachine import arithmetic
from stepdrain_cli.__main__ import cli
from stepdrain_cli.accounts.account import Account
from stepdrain_cli.clusters import manifests
from stepdrain_cli.commands import doctor
from stepdrain_cli.doctor import groups
from stepdrain_cli.doctor.groups import Installation
from stepdrain_cli.doctor.survey import Doctor, function_of
from stepdrain_cli.terminal import interaction, tables
from stepdrain_sandbox.aws.account import AwsFault, client_error
from stepdrain_sandbox.aws.deploy import ROOT
from stepdrain_sandbox.examples.groups import _make
from stepdrain_sandbox.examples.groups import groups as sandbox_groups
from stepdrain_sandbox.world import rbac_manifests
from tests.template.stack import Stack

PUT = (
    "  aws autoscaling put-lifecycle-hook --region eu-west-1 --auto-scaling-group-name {} "
    "--lifecycle-hook-name stepdrain "
    "--lifecycle-transition autoscaling:EC2_INSTANCE_TERMINATING "
    "--heartbeat-timeout 1800 --default-result CONTINUE"
)


@pytest.fixture(scope="module")
def world():
    """Five groups, four of the cluster."""
    with sandbox_groups() as world:
        yield world


@pytest.fixture
def run(world, monkeypatch, tmp_path):
    """Runs doctor --sandbox on this module's account."""

    @contextlib.contextmanager
    def same():
        (tmp_path / "kubeconfig").write_text(world.kube.kubeconfig())
        session, clock = boto3.Session(region_name="eu-west-1"), world.clock
        account = Account(session, world.machine, clock.now, clock.sleep, world)
        yield account, str(tmp_path / "kubeconfig")

    monkeypatch.setattr(doctor, "sandbox_of_groups", same)
    return lambda *arguments, **more: CliRunner().invoke(cli, ["doctor", "--sandbox", *arguments], **more)


def test_the_doctors_table_and_advice_to_the_letter(run):
    """Somebody who has never seen the project must know from it what to do next."""
    result = run()
    assert result.exit_code == 1
    assert [
        " ".join(line.split()) if "  aws" not in line else line for line in result.stdout.splitlines()
    ] == [
        "GROUP INSTANCES MANAGED BY LAUNCH HOOK TERMINATE HOOK COVERED BY WRONG",
        "batch 1 you none stepdrain 300/172800 ABANDON Stepdrain 2",
        "eks-web 2 EKS (web) Launch-LC-Hook 1800/172800 CONTINUE Terminate-LC-Hook 1800/172800 CONTINUE "
        "EKS -",
        "gpu 3 you none none nothing 1",
        "workers 2 you none stepdrain 1800/172800 CONTINUE Stepdrain -",
        "",
        "batch: its heartbeat timeout of 300 s may be over between two heartbeats (1200 s)",
        "batch: its default result is ABANDON, a managed group's CONTINUE",
        PUT.format("batch"),
        "",
        "gpu: it has no terminating hook stepdrain",
        PUT.format("gpu"),
        "",
        "Not protected: gpu (1 of 4 groups).",
        "Next: stepdrain doctor --cluster demo --sandbox --fix puts the hooks, asking before each.",
    ]


def test_the_doctor_answers_programs(run):
    """--json."""
    found = json.loads(run("--json").stdout)
    assert {group["name"]: group["covered_by"] for group in found["groups"]} == {
        "batch": "Stepdrain", "eks-web": "EKS", "gpu": "nothing", "workers": "Stepdrain",
    }  # fmt: skip
    assert found["installed"]["rule"] == "stepdrain-TerminateRule"


def test_a_test_message_reaches_the_subscribers(run, world):
    """By the deployed function, on the way that a failed drain's message takes."""
    result = run("--test-message")
    assert result.exit_code == 1  # Something is wrong with the groups, whatever the message came to.
    assert result.stdout.splitlines()[-2:] == [
        "Sent: Stepdrain: test message of stepdrain",
        "Who should get it and does not has not confirmed the subscription.",
    ]
    (mail,) = world.aws.messages()
    assert mail["Subject"] == "Stepdrain: test message of stepdrain"
    assert "This is a test: messages of this installation arrive here." in mail["Message"]


def test_a_test_message_that_cannot_be_sent_says_why(run, world, monkeypatch):
    """The function's own error, and no traceback."""
    denied = AwsFault("Publish", client_error("Publish", "KMSAccessDenied", "the key's policy", 403), -1)
    monkeypatch.setattr(world.aws, "aws_faults", [denied])
    result = run("--test-message")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith(
        "failed: AwsRejected: Publish answered KMSAccessDenied: the key's policy"
    )


def hooks_of(group):
    client = boto3.client("autoscaling", region_name="eu-west-1")
    return client.describe_lifecycle_hooks(AutoScalingGroupName=group)["LifecycleHooks"]


def test_a_dry_run_prints_the_commands_and_changes_nothing(run):
    """Literally what would be done."""
    result = run("--fix", "--dry-run")
    assert result.stdout.splitlines()[-2:] == [PUT.format("batch").strip(), PUT.format("gpu").strip()]
    assert hooks_of("gpu") == []


def test_a_fix_asks_before_each_hook_and_then_nothing_is_left_to_mend(run, monkeypatch):
    """No to batch, yes to gpu; then --yes."""
    monkeypatch.setattr(interaction, "interactive", lambda: True)
    result = run("--fix", input="n\ny\n")
    assert result.exit_code == 0
    assert "Put the hook on batch? [y/N]: n" in result.stderr
    assert hooks_of("gpu")[0]["HeartbeatTimeout"] == 1800
    assert hooks_of("batch")[0]["HeartbeatTimeout"] == 300
    assert "Put the hook on batch." in run("--fix", "--yes").stdout
    result = run()
    assert result.stdout.splitlines()[-1] == "Every group is protected."
    assert result.exit_code == 0


def test_fix_asks_only_where_somebody_can_answer(run, world):
    """A job without a terminal gets a sentence, and no hook is put."""
    client = boto3.client("autoscaling", region_name="eu-west-1")
    client.delete_lifecycle_hook(AutoScalingGroupName="batch", LifecycleHookName="stepdrain")
    result = run("--fix")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        2, "Error: Nobody can be asked here: add --yes to put the hooks without a question.",
    )  # fmt: skip
    assert client.describe_lifecycle_hooks(AutoScalingGroupName="batch")["LifecycleHooks"] == []
    assert run("--fix", "--yes").exit_code == 0


def test_a_cluster_that_does_not_exist_is_one_sentence(run):
    """The name may be wrong."""
    result = run("--cluster", "nope")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "Error: There is no EKS cluster nope in region eu-west-1; "
        "`aws eks list-clusters --region eu-west-1` lists them."
    )


def test_the_cluster_is_that_of_the_stack(world, monkeypatch):
    """Nobody has to type what the installation knows; where it does not, a sentence says what to type."""

    def typed(*more):
        result = CliRunner().invoke(cli, ["doctor", "--region", "eu-west-1", *more])
        return result.exit_code, result.output.splitlines()[-1]

    again = "stepdrain doctor --cluster demo --region eu-west-1 --stack stepdrain --fix"
    assert CliRunner().invoke(cli, ["doctor", "--region", "eu-west-1"]).stdout.startswith("GROUP")
    assert typed("--stack", "stepdrain")[1] in (f"Next: {again} puts the hooks, asking before each.", WELL)
    assert typed("--stack", "nope") == (
        2,
        "Error: Say which cluster with --cluster NAME, since no stack nope in region eu-west-1 says it; "
        "`aws eks list-clusters --region eu-west-1` lists them.",
    )
    parameters = world.aws.deployment.parameters
    monkeypatch.setitem(parameters, "OtherClusterNames", "blue,green")
    assert typed() == (
        2, "Error: Stack stepdrain serves demo and blue and green: say which with --cluster NAME.",
    )  # fmt: skip
    monkeypatch.setitem(parameters, "OtherClusterNames", "")
    monkeypatch.setitem(parameters, "ClusterName", "")
    assert typed() == (
        2, "Error: Say which cluster with --cluster NAME: stack stepdrain is not Stepdrain's.",
    )  # fmt: skip


WELL = "Every group is protected."


def test_the_least_heartbeat_is_what_the_state_machine_needs():
    """A number of ours in two places must be one."""
    machine = json.loads((ROOT / "statemachine" / "drain_node.asl.json").read_text())
    least_s = groups.LEAST_HEARTBEAT_S
    assert arithmetic.longest_silence_s(machine, least_s) <= least_s
    assert arithmetic.longest_silence_s(machine, least_s - 100) > least_s - 100
    template = (ROOT / "template.yaml").read_text()
    (least,) = re.findall(r"(?s)\n  HeartbeatTimeout:\n    Type.*?MinValue: (\d+)", template)
    assert int(least) == groups.LEAST_HEARTBEAT_S


INSTALLED = Installation("stepdrain", "rule", "{}")


def group(tags=None, instances=()):
    return {
        "AutoScalingGroupName": "g",
        "Tags": [{"Key": key, "Value": value} for key, value in (tags or {}).items()],
        "Instances": [{"InstanceId": instance} for instance in instances],
    }


def hook(**changed):
    return {
        "LifecycleHookName": "stepdrain",
        "LifecycleTransition": groups.TERMINATING,
        "HeartbeatTimeout": 1800,
        "DefaultResult": "CONTINUE",
        **changed,
    }


def wrong(*hooks, tags=None, installed=INSTALLED, taken=True):
    return [
        finding.what
        for finding in groups.judge(group(tags), hooks, installed, taken=taken, region="r").findings
    ]


def test_each_wrong_is_told_by_itself():
    """And a group by the book has none."""
    assert wrong(hook()) == []
    assert wrong(hook(), taken=False) == ["the rule rule does not take this group's events"]
    assert wrong(installed=None) == ["Stepdrain is not installed: its pods die with each instance"]
    assert wrong(hook(LifecycleTransition=groups.LAUNCHING)) == [
        f"its hook is for {groups.LAUNCHING}, not for terminating"
    ]
    assert wrong(hook(), tags={"eks:nodegroup-name": "web"}) == [
        "EKS drains this group itself; with Stepdrain's hook each instance is drained twice"
    ]


def test_a_group_belongs_to_the_cluster_by_tag_or_by_its_nodes_and_never_by_name():
    """Self-managed groups may lack the tag."""
    none = frozenset()
    assert groups.of_cluster(group({"kubernetes.io/cluster/c": "owned"}), "c", none)
    assert groups.of_cluster(group({"eks:cluster-name": "c"}), "c", none)
    assert groups.of_cluster(group(instances=["i-1"]), "c", frozenset({"i-1"}))
    assert not groups.of_cluster(group({"kubernetes.io/cluster/other": "owned"}), "c", none)


def test_a_private_endpoint_that_the_functions_cannot_reach_is_told(world):
    """And RBAC that was not applied."""
    found = Doctor(boto3.Session(region_name="eu-west-1"), "demo", "stepdrain")
    found.session = _Private()
    found.stack = "stepdrain"
    found._endpoint()
    assert found.result.findings[0].what == (
        "cluster demo has a private endpoint only, in VPC vpc-1, and the functions run in no VPC"
    )


class _Private:
    """Answers as AWS does for a private cluster; moto's Lambda knows nothing of the deployed functions."""

    region_name = "eu-west-1"

    def client(self, service):
        return self

    def describe_cluster(self, name):
        return {"cluster": {"resourcesVpcConfig": {"endpointPublicAccess": False, "vpcId": "vpc-1"}}}

    def describe_stacks(self, StackName):
        notify = {"OutputKey": "NotifyFunctionName", "OutputValue": f"{StackName}-NotifyFunction-1A2B3C"}
        return {"Stacks": [{"Outputs": [notify]}]}

    def get_function_configuration(self, FunctionName):
        assert FunctionName == "stepdrain-NotifyFunction-1A2B3C"
        return {"FunctionName": FunctionName}


class _ConfigMap:
    """A cluster that takes no access entries: a request for them is an error, which nobody should see."""

    region_name = "eu-west-1"

    def client(self, service):
        return self

    def describe_cluster(self, name):
        return {"cluster": {"name": name, "accessConfig": {"authenticationMode": "CONFIG_MAP"}}}


def test_a_cluster_that_takes_no_access_entries_is_told_with_the_parameter_to_give():
    """Also before anything is deployed, when there is no stack to ask."""
    found = Doctor(_ConfigMap(), "demo", "stepdrain")
    found._asked("the access entries", found._access_entries, None)
    (said,) = found.result.unasked
    assert said.startswith("the access entries: cluster demo knows aws-auth alone (CONFIG_MAP).")
    assert "CreateAccessEntries=false" in said
    assert found.result.findings == []


def test_a_role_without_an_access_entry_is_told_with_the_command_that_makes_it(run, world):
    """The functions of that role cannot reach the cluster."""
    entries = world.aws.deployment.access_entries
    (gone,) = [key for key in entries if function_of(key[1]) == "EvictBatch"]
    entry = entries.pop(gone)
    try:
        out = run().stdout.splitlines()
    finally:
        entries[gone] = entry
    said = out.index(f"cluster demo: role {gone[1]} has no access entry")
    assert out[said + 1].startswith("  aws eks create-access-entry --region eu-west-1 --cluster-name demo ")
    assert f"--principal-arn {gone[1]}" in out[said + 1]
    assert "stepdrain-evict" in out[said + 1]


def test_rbac_that_was_not_applied_is_told(world, tmp_path):
    """Evictions would be forbidden."""
    (tmp_path / "kubeconfig").write_text(world.kube.kubeconfig())
    found = Doctor(boto3.Session(region_name="eu-west-1"), "demo", "stepdrain", str(tmp_path / "kubeconfig"))
    found._rbac()
    assert found.result.findings == []
    world.kube.cluster.remove("ClusterRoleBinding", "stepdrain-read")
    found._rbac()
    assert found.result.findings[0].command == "stepdrain manifests rbac | kubectl apply -f -"


def test_a_group_that_asks_for_rolls_without_the_right_is_told(world, tmp_path):
    """Its pods would be held by their budgets as before, and its owner would wonder."""
    (tmp_path / "kubeconfig").write_text(world.kube.kubeconfig())
    session = boto3.Session(region_name="eu-west-1")
    tag = {"ResourceId": "workers", "ResourceType": "auto-scaling-group", "Key": "stepdrain:roll"}
    found = Doctor(session, "demo", "stepdrain", str(tmp_path / "kubeconfig"))
    found._right_to_roll()
    assert found.result.findings == []
    auto_scaling = session.client("autoscaling")
    auto_scaling.create_or_update_tags(Tags=[{**tag, "Value": "blocked", "PropagateAtLaunch": False}])
    found._right_to_roll()
    (finding,) = found.result.findings
    assert finding.what.startswith("the tag stepdrain:roll of workers asks for rolls")
    assert finding.command == "stepdrain manifests roll | kubectl apply -f -"
    world.kube.cluster.load(rbac_manifests({"RollBlocked": "blocked"})[-2:])
    found._right_to_roll()
    assert len(found.result.findings) == 1
    auto_scaling.delete_tags(Tags=[tag])


def test_the_command_for_a_missing_entry_names_the_groups_of_its_role():
    """As the stack's own entry would, whatever its parameters are."""
    for force, conditions in (("true", "false"), ("false", "true")):
        given = {"AllowForce": force, "NodeConditions": conditions, "KubernetesGroupPrefix": "drains"}
        options = {"force": force == "true", "conditions": conditions == "true"}
        for name, entry in Stack(**given).of_type("AWS::EKS::AccessEntry").items():
            function = name.removesuffix("Access")
            role = f"arn:aws:iam::123456789012:role/my-stack-{function}Role-ABC123"
            named = manifests.groups(function_of(role), "drains", **options)
            assert sorted(named) == sorted(entry["KubernetesGroups"])


def test_in_40_columns_only_commands_are_wider(run, monkeypatch):
    """The terminal broke the sentences in the middle of words; a command is pasted, and stays whole."""
    monkeypatch.setattr(tables, "width", lambda **_: 40)
    wide = [line for line in run().stdout.splitlines() if len(line) > 40]
    assert wide
    assert [
        line for line in wide if not line.startswith(("  aws ", "  stepdrain ", "Next: stepdrain "))
    ] == []


def test_the_order_of_the_rules_makes_no_difference(run, world, monkeypatch):
    """EventBridge promises none: with the rule for launches first, its hook was asked for everywhere."""
    shown = run().stdout
    rules = boto3.client("events", region_name="eu-west-1").list_rules()["Rules"]
    assert len(rules) > 5
    monkeypatch.setitem(world.aws.own_answers, "ListRules", lambda _asked: {"Rules": rules[::-1]})
    assert run().stdout == shown


def test_each_of_two_stacks_covers_its_own_groups(run, world):
    """Another team's stack in the account: its group is not unprotected, and is judged by its own hook."""
    events = boto3.client("events", region_name="eu-west-1")
    (own,) = [rule for rule in events.list_rules()["Rules"] if rule["Name"] == "stepdrain-TerminateRule"]
    pattern = json.loads(own["EventPattern"])
    pattern["detail"] |= {"LifecycleHookName": ["blue-hook"], "AutoScalingGroupName": ["eks-web", "indigo"]}
    events.put_rule(Name="blue-TerminateRule", EventPattern=json.dumps(pattern))
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:blue-StartDrain:live"
    events.put_targets(Rule="blue-TerminateRule", Targets=[{"Id": "1", "Arn": arn}])
    _make(world._client("autoscaling"), "indigo", 1, {"kubernetes.io/cluster/demo": "owned"})
    try:
        found = {group["name"]: group for group in json.loads(run("--json").stdout)["groups"]}
        assert found["workers"]["covered_by"] == "Stepdrain"
        assert found["indigo"]["covered_by"] == "nothing"
        assert found["indigo"]["findings"][0]["what"] == "it has no terminating hook blue-hook"
        assert "Put the hook on indigo." in run("--fix", "--yes").stdout
        assert [hook["LifecycleHookName"] for hook in hooks_of("indigo")] == ["blue-hook"]
        (row,) = [line for line in run().stdout.splitlines() if line.startswith("indigo")]
        assert " ".join(row.split()).endswith("Stepdrain (stack blue) -")
    finally:
        events.remove_targets(Rule="blue-TerminateRule", Ids=["1"])
        events.delete_rule(Name="blue-TerminateRule")


@pytest.fixture
def two_stacks(world, monkeypatch):
    """Beside stepdrain the stack blue, for the group indigo; typed without --sandbox, as in an account."""
    events = boto3.client("events", region_name="eu-west-1")
    (own,) = [rule for rule in events.list_rules()["Rules"] if rule["Name"] == "stepdrain-TerminateRule"]
    pattern = json.loads(own["EventPattern"])
    pattern["detail"] |= {"LifecycleHookName": ["blue-hook"], "AutoScalingGroupName": ["indigo"]}
    events.put_rule(Name="blue-TerminateRule", EventPattern=json.dumps(pattern))
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:blue-StartDrainFunction-1A2B3C:live"
    events.put_targets(Rule="blue-TerminateRule", Targets=[{"Id": "1", "Arn": arn}])
    stacks = world.aws.own_answers["DescribeStacks"]

    def described(asked):
        if asked["StackName"] != "blue":
            return stacks(asked)
        whole = stacks({"StackName": "stepdrain"})["Stacks"][0]
        outputs = [{"OutputKey": "KubernetesRoleArns", "OutputValue": "arn:aws:iam::1:role/blue-LabelRole-1"}]
        return {"Stacks": [{**whole, "StackName": "blue", "Outputs": outputs}]}

    monkeypatch.setitem(world.aws.own_answers, "DescribeStacks", described)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    yield lambda *typed: CliRunner().invoke(cli, ["doctor", *typed])
    events.remove_targets(Rule="blue-TerminateRule", Ids=["1"])
    events.delete_rule(Name="blue-TerminateRule")


BLUES = "cluster demo: role arn:aws:iam::1:role/blue-LabelRole-1 has no access entry"


def test_of_two_stacks_the_doctor_looks_at_the_one_that_is_named(two_stacks, tmp_path, monkeypatch):
    """Its roles are asked about, and the other's groups are covered all the same."""
    monkeypatch.chdir(tmp_path)
    own, blue = two_stacks(), two_stacks("--stack", "blue")
    assert BLUES not in own.stdout
    assert BLUES in blue.stdout
    (row,) = [line for line in blue.stdout.splitlines() if line.startswith("workers")]
    assert " ".join(row.split()).endswith("Stepdrain (stack stepdrain) -")


@pytest.mark.parametrize("named", [(), ("--cluster", "demo")], ids=["alone", "cluster"])
def test_a_stack_that_is_not_there_is_not_replaced_by_another(two_stacks, named):
    """Somebody has named it: findings about another stack would be taken for its own."""
    refused = two_stacks("--stack", "nope", *named)
    assert (refused.exit_code, "no stack nope in region eu-west-1" in refused.stderr) == (2, True), (
        refused.output
    )


def test_without_a_stack_of_the_usual_name_the_doctor_looks_at_what_there_is(
    two_stacks, world, monkeypatch, tmp_path
):
    """Only the roles of a stack called stepdrain were looked for, and nothing was said."""
    monkeypatch.chdir(tmp_path)
    events = boto3.client("events", region_name="eu-west-1")
    events.disable_rule(Name="stepdrain-TerminateRule")
    try:
        out = two_stacks("--cluster", "demo").stdout
    finally:
        events.enable_rule(Name="stepdrain-TerminateRule")
    assert BLUES in out, out


@pytest.mark.parametrize(
    ("limit", "waiting", "said"), [(10, "watch", True), (10, "poll", False), (200, "watch", False)]
)
def test_an_account_with_few_executions_is_asked_to_poll(world, monkeypatch, limit, waiting, said):
    """Each drain that watches holds one of them, and nothing else of the account would find room."""
    monkeypatch.setattr(world.aws, "concurrent_executions", limit)
    found = Doctor(boto3.Session(region_name="eu-west-1"), "demo", "stepdrain")
    monkeypatch.setattr(found, "_parameters", lambda: {"Waiting": waiting})
    found._concurrency()
    assert [finding.command for finding in found.result.findings] == (
        ["sam deploy --parameter-overrides Waiting=poll"] if said else []
    )
