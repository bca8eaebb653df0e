"""``stepdrain verify``: one table, the commands that help, and nothing changed."""

import json

import boto3
import pytest
from click.testing import CliRunner
from stepdrain.verification import kube_rights

from stepdrain_cli.__main__ import cli
from stepdrain_sandbox.aws.account import LambdaFault, access_key
from stepdrain_sandbox.aws.deploy import ROOT
from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import GROUP, HOOK, World, node_manifest
from tests.cli.accounts import use_account_of
from tests.cli.rights import Person
from tests.shards import sampled

REGION = "eu-west-1"


@pytest.fixture(scope="module")
def world():
    """A healthy installation, with somebody to tell."""
    with World(workload=cluster_workload) as world:
        sns = world._client("sns")
        (topic,) = [topic["TopicArn"] for topic in sns.list_topics()["Topics"]]
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="oncall@example.com")
        world.aws.subscriptions.confirm("oncall@example.com")
        yield world


@pytest.fixture(scope="module")
def person():
    """Whoever types the command."""
    return Person(boto3.Session(region_name=REGION))


@pytest.fixture
def verify(world, person, monkeypatch):
    """Runs the command on this module's world; exit status, stdout, and stdout as JSON where it is."""

    machine = {}
    use_account_of(world, monkeypatch, person, lambda: machine.get("arn"))

    def run(*arguments, **machines):
        machine.update(machines)
        result = CliRunner().invoke(cli, ["verify", "--sandbox", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout, result.stderr

    return run


FINE = ("ok", "skipped")


def wrong(verify):
    """The checks that found something, by what was checked."""
    _, text, _ = verify("-o", "json")
    return {check["what"]: check for check in json.loads(text)["checks"] if check["result"] not in FINE}


def test_a_healthy_installation_has_nothing_to_fix(verify, world):
    """Exit status 0, each function and the command itself in the table, and no drain anywhere."""
    status, text, _ = verify()
    assert status == 0, text
    assert text.splitlines()[0].split() == ["RESULT", "BY", "WHAT", "SAID"]
    assert text.splitlines()[-1].startswith("Nothing to fix: ")
    assert all(
        f" {name} " in text for name in ("FindNode", "CompleteAction", "StartDrain", "Notify", "verify")
    )
    assert {execution["status"] for execution in world.executions()} == {"SUCCEEDED"}
    listed = CliRunner().invoke(cli, ["list", "--sandbox", "--json"])
    assert json.loads(listed.stdout) == []
    assert world.aws.messages() == []


def test_the_table_goes_into_a_change_ticket(verify):
    """As Markdown, with the commands below."""
    status, text, _ = verify("-o", "markdown")
    assert status == 0
    assert text.startswith(f"### stepdrain verify: demo, group {GROUP}, instance i-")
    assert "| result | by | what | said |" in text


def test_a_hook_that_is_absent_is_found_with_the_command_that_makes_it(verify, world):
    """The first thing that is forgotten."""
    client = world._client("autoscaling")
    (hook,) = client.describe_lifecycle_hooks(AutoScalingGroupName=GROUP)["LifecycleHooks"]
    client.delete_lifecycle_hook(AutoScalingGroupName=GROUP, LifecycleHookName=HOOK)
    found = wrong(verify)[f"the hook {HOOK} of group {GROUP}"]
    assert found["said"] == "The group has no such hook; it has: none."
    assert found["command"].startswith(
        f"aws autoscaling put-lifecycle-hook --region {REGION} --auto-scaling-group-name {GROUP}"
    )
    put(client, hook, LifecycleHookName="another")
    assert "it has: another" in wrong(verify)[f"the hook {HOOK} of group {GROUP}"]["said"]
    client.delete_lifecycle_hook(AutoScalingGroupName=GROUP, LifecycleHookName="another")
    put(client, hook, HeartbeatTimeout=300)
    assert "300 s" in wrong(verify)[f"the hook {HOOK} of group {GROUP}"]["said"]
    put(client, hook)


def put(client, hook, **changes):
    names = ("LifecycleHookName", "LifecycleTransition", "HeartbeatTimeout", "DefaultResult")
    client.put_lifecycle_hook(
        AutoScalingGroupName=GROUP, **{**{name: hook[name] for name in names}, **changes}
    )


@pytest.mark.parametrize(
    "rule",
    ["TerminateRule", "LaunchRule", "StatusRule", "SweepRule", "SpotInterruptionRule", "HealthRule"],
)
def test_a_rule_that_is_switched_off_is_found(verify, world, rule):
    """Nothing comes through it: no drain, no message, no sweep."""
    events, name = world._client("events"), f"stepdrain-{rule}"
    events.disable_rule(Name=name)
    found = wrong(verify)[f"rule {rule}"]
    events.enable_rule(Name=name)
    assert found["command"] == f"aws events enable-rule --region {REGION} --name {name}"


def test_a_rule_that_does_not_serve_the_group_is_found(verify, world):
    """A group outside GroupNames drains nothing, and nobody notices."""
    events, name = world._client("events"), "stepdrain-TerminateRule"
    before = events.describe_rule(Name=name)["EventPattern"]
    events.put_rule(Name=name, EventPattern=before.replace(f'"{HOOK}"', '"another-hook"'))
    found = wrong(verify)[f"an event about group {GROUP}"]
    events.put_rule(Name=name, EventPattern=before)
    assert "does not take it" in found["said"]


def test_a_rule_that_a_parameter_switches_off_is_not_missed(verify, world):
    """DrainOnRebalance is false unless somebody wants it."""
    assert world._client("events").describe_rule(Name="stepdrain-RebalanceRule")["State"] == "DISABLED"
    assert "rule RebalanceRule" not in wrong(verify)


@pytest.fixture
def topic(world):
    (arn,) = [topic["TopicArn"] for topic in world._client("sns").list_topics()["Topics"]]
    return arn


def test_a_topic_without_subscriber_is_found(verify, world, topic):
    """A message that nobody gets is no message."""
    sns = world._client("sns")
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    found = wrong(verify)["the topic's subscribers"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="oncall@example.com")
    unconfirmed = wrong(verify)["the topic's subscribers"]
    world.aws.subscriptions.confirm("oncall@example.com")
    assert (found["result"], found["said"]) == ("missing", "Nobody is notified when a drain fails.")
    assert f"aws sns subscribe --region {REGION} --topic-arn {topic}" in found["command"]
    assert unconfirmed["result"] == "missing"
    assert unconfirmed["said"].startswith("Nobody has confirmed yet: oncall@example.com.")


def test_one_of_two_subscribers_that_has_not_confirmed_is_named(verify, world, topic):
    """Somebody is notified; whoever expects to be notified as well is not."""
    sns = world._client("sns")
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="late@example.com")
    found = wrong(verify)["the topic's subscribers"]
    status, text, _ = verify("--message", "-o", "json")
    messages = world.aws.messages()
    world.aws.subscriptions.confirm("late@example.com")
    late = next(
        subscription
        for subscription in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        if subscription["Endpoint"] == "late@example.com"
    )
    sns.unsubscribe(SubscriptionArn=late["SubscriptionArn"])
    assert (found["result"], found["said"]) == ("degraded", "Not confirmed yet: late@example.com.")
    (sent,) = [check for check in json.loads(text)["checks"] if check["what"] == "a test message"]
    assert sent["said"] == "Sent to 1 subscriber; not to late@example.com, not confirmed yet."
    assert (status, len(messages)) == (0, 1)
    assert "test" in messages[0]["Subject"]


def test_a_launch_hook_that_is_too_short_is_found(verify, world):
    """It would let the instance serve before its node is Ready, whatever AdmitNode waits for."""
    what = f"the launch hook stepdrain-launch of group {GROUP}"
    world.add_launch_hook(HeartbeatTimeout=300)
    found = wrong(verify)[what]
    world.add_launch_hook()
    assert what not in wrong(verify)
    world._client("autoscaling").delete_lifecycle_hook(
        AutoScalingGroupName=GROUP, LifecycleHookName="stepdrain-launch"
    )
    assert found["said"] == "its heartbeat timeout of 300 s ends before AdmitTimeout (900 s) and 60 s more"
    assert "--heartbeat-timeout 1800" in found["command"]


def test_another_installation_that_takes_the_same_events_is_found(verify, world):
    """Two stacks, one group: each instance is drained twice."""
    events = world._client("events")
    pattern = events.describe_rule(Name="stepdrain-TerminateRule")["EventPattern"]
    events.put_rule(Name="blue-TerminateRule", EventPattern=pattern)
    arn = f"arn:aws:lambda:{REGION}:123456789012:function:blue-StartDrain"
    events.put_targets(Rule="blue-TerminateRule", Targets=[{"Id": "1", "Arn": arn}])
    found = wrong(verify)[f"other installations that drain group {GROUP}"]
    events.put_rule(Name="blue-TerminateRule", EventPattern=pattern.replace(f'"{HOOK}"', '"blue-hook"'))
    apart = wrong(verify)
    events.remove_targets(Rule="blue-TerminateRule", Ids=["1"])
    events.delete_rule(Name="blue-TerminateRule")
    assert found["said"].startswith("blue-TerminateRule of stack blue takes this group's events, too")
    assert apart == {}


def test_a_stack_that_is_not_there_is_one_sentence(verify, world):
    """With two stacks in the account, one is named by --stack."""
    status, _, said = verify("--stack", "blue")
    assert status == 2
    assert f"There is no stack blue in region {REGION}; name yours with --stack" in said


def test_a_state_machine_of_another_stack_is_one_sentence(verify):
    """--state-machine names one installation, and --stack (or its default) the other."""
    other = f"arn:aws:states:{REGION}:123456789012:stateMachine:blue-DrainNode"
    status, _, said = verify(arn=other)
    assert status == 2
    assert f"State machine {other} is not that of stack stepdrain: name its stack with --stack." in said


def test_a_sweep_that_does_not_run_is_found(verify, world):
    """Whatever keeps it from running: nobody finds the instance whose event was lost."""
    events = world._client("events")
    events.disable_rule(Name="stepdrain-SweepRule")
    world.pass_time(2000)
    events.enable_rule(Name="stepdrain-SweepRule")
    found = wrong(verify)["the sweep"]
    world.pass_time(400)
    assert "the sweep" not in wrong(verify)
    assert found["said"].startswith("No sweep has succeeded for half an hour")
    assert found["command"].startswith("aws logs tail /aws/lambda/stepdrain-Sweep --region eu-west-1")


def test_other_versions_are_said(verify, monkeypatch):
    """A stack that was not upgraded, and a command line that was."""
    monkeypatch.setattr("stepdrain_cli.verification.versions.VERSION", "9.9.9")
    found = wrong(verify)
    assert found["the template's version"]["said"] == (
        "Stack stepdrain is of 0.1.0, and this command line of 9.9.9."
    )
    assert found["the function's version"]["said"] == (
        "The function is of version 0.1.0, and this command line of 9.9.9."
    )


def test_a_state_machine_that_somebody_has_changed_is_said(verify, world):
    """The console lets everybody edit it."""
    client = world._client("stepfunctions")
    before = client.describe_state_machine(stateMachineArn=world.machine)["definition"]
    changed = json.loads(before)
    changed["States"]["FindNode"]["TimeoutSeconds"] = 5
    client.update_state_machine(stateMachineArn=world.machine, definition=json.dumps(changed))
    found = wrong(verify)
    client.update_state_machine(stateMachineArn=world.machine, definition=before)
    (what,) = found
    assert (found[what]["by"], what) == ("DrainNode", "the state machine's definition")


@pytest.fixture
def kubeconfig(world, tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(world.kube.kubeconfig())
    return str(path)


def test_manifests_of_another_version_are_said(verify, world, kubeconfig):
    """What is missing, and what an older version had granted besides."""
    cluster = world.kube.cluster
    (role,) = [role for role in cluster.list("ClusterRole") if role["metadata"]["name"] == "stepdrain-nodes"]
    status, text, _ = verify("--kubeconfig", kubeconfig)
    assert (status, "the manifests in the cluster" in text) == (0, False)
    older = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["patch", "delete"]}]
    cluster.change("ClusterRole", "stepdrain-nodes", "", {"rules": older})
    _, text, _ = verify("--kubeconfig", kubeconfig, "-o", "json")
    cluster.change("ClusterRole", "stepdrain-nodes", "", {"rules": role["rules"]})
    found = {check["what"]: check for check in json.loads(text)["checks"]}["the manifests in the cluster"]
    assert (
        found["said"] == "ClusterRole stepdrain-nodes grants delete nodes, which version 0.1.0 does not use."
    )
    assert found["command"] == "stepdrain manifests rbac force | kubectl apply -f -"


def test_without_a_kubeconfig_the_manifests_are_not_compared_and_nothing_is_wrong(verify):
    """The functions have asked for every right; a job in a pipeline need not reach the cluster."""
    status, text, _ = verify()
    assert status == 0
    assert "skipped  verify" in text
    assert "no --kubeconfig was given" in text


def test_verify_changes_nothing(verify, world):
    """In the cluster by its audit log, in the account by what stands there afterwards."""

    def account():
        groups = world._client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        executions = [
            execution["name"]
            for execution in world.executions()
            if not execution["name"].startswith("verify-")
        ]
        return groups, executions, world.aws.hooks.log[:], world.aws.messages(), world.dead_letters()

    objects, kinds = {}, ("Node", "Pod", "Event", "ClusterRole", "Deployment")
    for kind in kinds:
        objects[kind] = world.kube.cluster.list(kind)
    before, since = account(), len(world.kube.audit_log)
    assert verify()[0] == 0
    wrote = [
        entry["requestURI"]
        for entry in world.kube.audit_log[since:]
        if entry["verb"] not in ("get", "list", "watch") and "dryRun=All" not in entry["requestURI"]
    ]
    assert wrote
    assert {uri.rsplit("/", 1)[1].split("?")[0] for uri in wrote} == {"selfsubjectaccessreviews"}
    assert {kind: world.kube.cluster.list(kind) for kind in kinds} == objects
    assert account() == before


def test_a_quota_that_is_too_small_is_found(verify, world):
    """Each drain holds a function while it waits."""
    world.aws.concurrent_executions = 2
    found = wrong(verify)["concurrent executions of the account"]
    world.aws.concurrent_executions = 10
    slower = wrong(verify)["concurrent executions of the account"]
    world.aws.concurrent_executions = 1000
    assert (found["result"], slower["result"]) == ("missing", "degraded")
    assert "request-service-quota-increase" in found["command"]
    # As doctor advises.
    assert slower["command"] == "sam deploy --parameter-overrides Waiting=poll"


def test_dead_letters_are_found(verify, world):
    """Somebody's event lies there."""
    sqs, url = world._client("sqs"), world.aws.deployment.queues["DeadLetters"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    found = wrong(verify)["dead letters"]
    sqs.purge_queue(QueueUrl=url)
    assert found["said"].startswith("1 event could not be handled")


def test_a_missing_right_comes_with_a_command_in_which_all_names_are_filled_in(verify, world):
    """Role, cluster, region and groups."""
    cluster = world.kube.cluster
    binding = next(
        binding
        for binding in cluster.list("ClusterRoleBinding")
        if binding["metadata"]["name"] == "stepdrain-evict"
    )
    cluster.remove("ClusterRoleBinding", "stepdrain-evict")
    found = wrong(verify)["create pods/eviction"]
    del binding["metadata"]["resourceVersion"], binding["metadata"]["uid"]
    cluster.create(binding)
    assert (found["by"], found["result"]) == ("EvictBatch", "missing")
    assert found["command"].startswith(
        "stepdrain manifests rbac | kubectl apply -f - && aws eks update-access-entry"
    )
    assert f"--region {REGION} --cluster-name demo" in found["command"]
    assert "--query accessEntry.kubernetesGroups" in found["command"]
    assert found["command"].endswith(" stepdrain-read stepdrain-evict stepdrain-roll stepdrain-force")


def test_a_node_may_be_named_as_a_person_knows_it(verify, world):
    """By its name, by the first label of it, or by its instance's id."""
    instance, node = list(world.instances.items())[1]
    for name in (node, node.split(".")[0], instance):
        status, text, _ = verify(name, "-o", "markdown")
        assert (status, text.splitlines()[0].rsplit(" ", 1)[1]) == (0, instance)


def test_a_node_with_a_name_of_its_own_is_found_in_the_cluster(verify, world):
    """EC2 does not know it by that name."""
    instance, node = list(world.instances.items())[1]
    cluster = world.kube.cluster
    cluster.create({**node_manifest("gpu-7", instance)})
    cluster.remove("Node", node)
    status, text, _ = verify("gpu-7", "-o", "markdown")
    cluster.create(node_manifest(node, instance))
    cluster.remove("Node", "gpu-7")
    assert (status, text.splitlines()[0].rsplit(" ", 1)[1]) == (0, instance)


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        ("i-0123456789abcdef0", "EC2 does not know instance i-0123456789abcdef0 in this account and region."),
        ("nope", "No instance has the private DNS name nope, and cluster demo has no node called nope"),
        ("arn:aws:ec2:eu-west-1:1:instance/i-1", "is an ARN; give a node's name or an instance id."),
    ],
)
def test_a_node_that_is_not_ours_is_one_sentence(verify, node, sentence):
    """Nothing is rehearsed for what would never be drained."""
    status, _, said = verify(node)
    assert (status, said.count("\n")) == (2, 2)
    assert sentence in said


def test_a_node_of_another_group_is_named_with_its_group(verify, world):
    """It is no drain of ours, and the sentence says whose instance it is."""
    world._client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="others",
        LaunchTemplate={"LaunchTemplateName": "workers"},
        MinSize=0,
        MaxSize=1,
        DesiredCapacity=1,
        AvailabilityZones=[f"{REGION}a"],
        Tags=[{"Key": "kubernetes.io/cluster/demo", "Value": "owned", "PropagateAtLaunch": True}],
    )
    (group,) = world._client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=["others"])[
        "AutoScalingGroups"
    ]
    instance = group["Instances"][0]["InstanceId"]
    status, _, said = verify(instance)
    world._client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName="others", ForceDelete=True)
    assert status == 2
    assert f"Instance {instance} is in group others, which this installation does not serve." in said


def test_a_cluster_that_does_not_answer_is_said_within_20_seconds(verify, world, monkeypatch):
    """A security group that is closed: long before the last state has found out the rest."""
    began, said_at = world.clock.now(), []
    monkeypatch.setattr(
        "stepdrain_cli.commands.verify._say", lambda text: said_at.append((world.clock.now() - began, text))
    )
    world.kube.faults.add(Fault(hangs_s=60, times=-1))
    world.aws.lambda_faults.append(LambdaFault("LabelFunction", "Lambda.ServiceException", hangs_s=30))
    _, text, _ = verify("-o", "json")
    world.kube.faults.clear()
    ((after, sentence),) = said_at
    assert after < 20
    assert sentence.startswith("FindNode: The cluster's API does not answer the function: a security group")
    # Whoever comes after the first state of each machine does not wait for the same silence.
    wrong_ones = [check for check in json.loads(text)["checks"] if check["result"] not in FINE]
    assert {(check["by"], check["what"]) for check in wrong_ones} == {
        ("FindNode", "the cluster's API"),
        ("WaitForNode", "the cluster's API"),
    }
    assert world.clock.now() - began < 60


def test_an_execution_that_does_not_end_is_stopped_and_says_its_last_error(verify, world):
    """The state machine's role may no longer invoke a function: Step Functions tries for half an hour."""
    error = "Lambda.AWSLambdaException"
    world.aws.lambda_faults.append(LambdaFault("CordonFunction", error, times=99))
    found = wrong(verify)
    world.aws.lambda_faults.clear()
    (said,) = [
        check["said"] for what, check in found.items() if what.startswith("the execution verify-DrainNode")
    ]
    assert said.startswith(
        "It had not ended after 180 s, and was stopped; its last error is Lambda.AWSLambda"
    )
    assert "RUNNING" not in {execution["status"] for execution in world.executions()}


def test_a_function_in_a_group_too_few_is_found_with_the_group(verify, world):
    """Its access entry was made by hand, and one of the groups forgotten."""
    before = dict(world._users)
    world.leave_out("EvictBatchFunction", "stepdrain-evict")
    found = wrong(verify)
    world._users.update(before)
    assert list(found) == ["create pods/eviction"]
    assert " stepdrain-evict " in found["create pods/eviction"]["command"]


def test_a_function_without_an_access_entry_is_found_with_the_entry_to_make(verify, world):
    """As the stack would have made it: the user's name, and all of its groups."""
    before = dict(world._users)
    del world._users[access_key("CordonFunction")]
    (found,) = wrong(verify).values()
    world._users.update(before)
    assert (found["by"], found["what"]) == ("Cordon", "the cluster's API")
    assert found["command"].startswith(f"aws eks create-access-entry --region {REGION} --cluster-name demo")
    assert "--role-name stepdrain-CordonRole --query Role.Arn" in found["command"]
    assert (
        "--username 'stepdrain:{{SessionName}}' --kubernetes-groups stepdrain-read stepdrain-nodes"
        in (found["command"])
    )


def test_an_instance_that_is_no_node_is_found(verify, world):
    """Its kubelet never joined, or joined another cluster."""
    instance, node = next(iter(world.instances.items()))
    world.kube.cluster.remove("Node", node)
    found = wrong(verify)
    world.kube.cluster.create(node_manifest(node, instance))
    assert list(found) == [f"the node of {instance}"]
    assert found[f"the node of {instance}"]["command"].startswith("kubectl get nodes")


def test_a_group_that_asks_for_rolls_without_the_right_is_found(verify, world):
    """Its tag is enough, whatever the installation's own policy is."""
    client = world._client("autoscaling")
    tag = {"ResourceId": GROUP, "ResourceType": "auto-scaling-group", "Key": "stepdrain:roll"}
    client.create_or_update_tags(Tags=[{**tag, "Value": "blocked", "PropagateAtLaunch": False}])
    found = wrong(verify)
    client.delete_tags(Tags=[tag])
    assert {check["by"] for check in found.values()} == {"EvictBatch"}
    assert set(found) == {str(right) for right in kube_rights.ROLL}
    assert found["patch statefulsets.apps"]["command"].startswith("stepdrain manifests roll | kubectl apply")


def test_a_cluster_without_an_instance_is_one_sentence(verify, world):
    """There is nobody to rehearse with."""
    hidden = dict(world.instances)
    for instance in hidden:
        world._client("autoscaling").enter_standby(
            InstanceIds=[instance], AutoScalingGroupName=GROUP, ShouldDecrementDesiredCapacity=True
        )
    status, _, said = verify()
    for instance in hidden:
        world._client("autoscaling").exit_standby(InstanceIds=[instance], AutoScalingGroupName=GROUP)
    assert status == 2
    assert "scale one up, then verify" in said


@pytest.mark.parametrize(
    ("stack_status", "sentence"),
    [
        ("UPDATE_IN_PROGRESS", "verify it when that is done: aws cloudformation wait stack-update-complete"),
        ("CREATE_IN_PROGRESS", "aws cloudformation wait stack-create-complete --stack-name stepdrain"),
        ("UPDATE_ROLLBACK_FAILED", "`aws cloudformation describe-stack-events --stack-name stepdrain` shows"),
    ],
)
def test_a_stack_that_is_being_changed_is_one_sentence(verify, world, stack_status, sentence):
    """What is deployed at that moment is neither the old nor the new version."""
    before, world.aws.described.stack_status = world.aws.described.stack_status, stack_status
    status, out, said = verify()
    world.aws.described.stack_status = before
    assert (status, out) == (2, "")
    assert f"Stack stepdrain is {stack_status}" in said
    assert sentence in said


OWN = {
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeLifecycleHooks",
    "cloudformation:DescribeStacks",
    "cloudformation:ListStackResources",
    "cloudwatch:DescribeAlarms",
    "events:DescribeRule",
    "events:ListRules",
    "events:ListTargetsByRule",
    "events:TestEventPattern",
    "iam:SimulatePrincipalPolicy",
    "lambda:GetAccountSettings",
    "lambda:GetFunctionConfiguration",
    "lambda:InvokeFunction",
    "sns:ListSubscriptionsByTopic",
    "sqs:GetQueueAttributes",
    "states:DescribeExecution",
    "states:DescribeStateMachine",
    "states:DescribeStateMachineForExecution",
    "states:GetExecutionHistory",
    "states:StartExecution",
}
"""What docs/operations.md lists for whoever verifies."""


def test_what_a_person_needs_is_what_the_page_lists(verify, person):
    """Whoever makes a role for a scheduled job copies it from there."""
    person.called.clear()
    verify()
    assert person.called == OWN
    page = (ROOT / "docs/operations.md").read_text()
    policy = json.loads(page.split("```json\n", 1)[1].split("```")[0])
    assert {action for statement in policy["Statement"] for action in statement["Action"]} == OWN


@pytest.mark.parametrize("action", sampled([(action,) for action in sorted(OWN)], 0, every=3))
def test_a_right_that_the_person_lacks_is_named(verify, world, person, action):
    """In the one sentence of an error, or in the table where only a part cannot be looked at."""
    person.lacks = {action}
    status, text, said = verify("-o", "markdown")
    person.lacks = set()
    world.pass_time(60)  # A rehearsal whose end may not be seen ends all the same.
    assert status in (1, 5)
    assert action in text + said
