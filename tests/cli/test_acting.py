"""start, stop, undo and redrive: what they say to the letter, and what they do to the instance."""

import json
import re

import boto3
import click
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from stepdrain.adapters.aws import Aws
from stepdrain.adapters.kube import Kube
from stepdrain.errors import AwsDenied
from stepdrain.intake.lifecycle_events import HELD
from stepdrain.rules.node_marks import CORDONED_BY, EXCLUDE_LABEL, LABELLED_BY

from stepdrain_cli.__main__ import cli
from stepdrain_cli.accounts import drain_lookup, name_completion
from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.held_instances import NEXT, next_of
from stepdrain_sandbox.aws.account import LambdaFault
from stepdrain_sandbox.examples.recordings import seeded
from stepdrain_sandbox.kube.rbac import User
from stepdrain_sandbox.workload import blocked_database, cluster_workload, lone_pod
from stepdrain_sandbox.world import World
from tests.cli.accounts import Typist, drawn_at, pictures

ARN = "arn:aws:states:eu-west-1:123456789012:execution:stepdrain-DrainNode"


@pytest.fixture(scope="module")
def world():
    """Enough nodes for each test with a pod or two each; the installation protects unmanaged pods."""
    parameters = {"EvictUnmanaged": "false", "NodeConditions": "true"}
    with seeded(), World(nodes=48, workload=_workload, parameters=parameters) as world:
        yield world


def _workload(nodes):
    return [*cluster_workload(nodes, replicas=12, grace_s=5)]


@pytest.fixture(scope="module")
def untouched(world):
    return dict(world.instances)


@pytest.fixture
def one(untouched, world):
    """An instance, and its node, that no test has touched: the one with most pods."""
    instance = max(untouched, key=lambda instance: len(world.pods_on(untouched[instance])))
    return instance, untouched.pop(instance)


@pytest.fixture
def stepdrain(world, monkeypatch, one):
    """Types commands; ``i-one`` and ``node-one`` are this test's own, and no other test's drain runs."""
    yield Typist(world, monkeypatch, {"i-one": one[0], "node-one": one[1]})
    world.settle()


def protected(world, node):
    """Put a pod on the node that the installation does not evict."""
    name = f"debug-{node[:12].strip('-.')}"
    world.kube.cluster.create(lone_pod(name, node))
    world.pass_time(5)
    return name


def marks(world, node):
    found = world.kube.cluster.get("Node", node)
    annotations = found["metadata"].get("annotations") or {}
    return (
        EXCLUDE_LABEL in found["metadata"]["labels"],
        bool(found["spec"].get("unschedulable")),
        sorted({LABELLED_BY, CORDONED_BY} & annotations.keys()),
        sorted(c["type"] for c in found["status"].get("conditions") or () if "Drain" in c["type"]),
    )


def execution_of(world, instance):
    return [execution for execution in world.executions() if execution["name"].startswith(instance)][-1]


def test_start_shows_what_will_happen_asks_and_starts(stepdrain, world, one):
    """It sends the id and nothing else: the policy is the installation's, and it holds."""
    protected(world, one[1])
    status, out, err = stepdrain("start", "node-one", answer="y\n")
    assert status == 0, err
    lines = [line for line in err.splitlines() if not line.startswith("Note: ")]
    assert lines[:2] == ["NOTE", "Node node-one, instance i-one, group workers, cluster demo"]
    assert "1 would hold the drain up now." in lines[2]
    assert "no controller would put it back, and evictUnmanaged is false" in lines[3]
    assert lines[-3:] == [
        "Its instance is not terminated; the node stays labelled and cordoned until it is undone.",
        "Start the drain of node-one? [y/N]: y",
        "Next: stepdrain watch node-one --sandbox",
    ]
    assert out == f"Started: the drain of node-one\n{ARN}:i-one-manual-TOKEN\n"
    execution = execution_of(world, one[0])
    assert json.loads(execution["input"]) == {"instanceId": one[0]}
    world.pass_time(10)
    assert execution_of(world, one[0])["error"] == "DrainRefused"


def test_status_of_a_drain_by_hand_offers_undo_until_it_is_undone(stepdrain):
    """The instance stays, and the node with it: nothing said afterwards that it takes no pods."""
    stepdrain("start", "node-one", "--yes", "--watch")
    lines = stepdrain("status", "node-one")[1].splitlines()
    assert lines[lines.index("Action:  NONE: drained") + 1 :][:2] == [
        "What to do: The node still has what the drain has set. To use it again:",
        "  stepdrain undo node-one --sandbox",
    ]
    stepdrain("undo", "node-one", "--yes")
    assert "undo" not in stepdrain("status", "node-one")[1]


def test_of_two_starts_in_one_second_with_other_policies_the_second_says_so(stepdrain, monkeypatch):
    """The first is not to be seen in a list yet. With the same policies both are one drain."""
    monkeypatch.setattr(drain_lookup, "matching", lambda *_: [])
    typed = ("start", "node-one", "--yes")
    assert stepdrain(*typed, "--policy", "settleTime=60")[0] == 0
    assert stepdrain(*typed, "--policy", "settleTime=60")[0] == 0
    status, _, err = stepdrain(*typed)
    assert (status, err.splitlines()[-1]) == (
        1,
        "Error: Somebody has started a drain of i-one in this second, with other policies; "
        "`stepdrain watch i-one --sandbox` shows it.",
    )


def test_of_two_redrives_at_once_the_second_says_that_it_runs(stepdrain, world, one, monkeypatch):
    """It advised to start the drain anew."""
    protected(world, one[1])
    stepdrain("start", "node-one", "--yes", "--watch")
    look, found = drain_lookup.find, []

    def meanwhile(account, target):
        found.append(look(account, target))
        account.client("stepfunctions").redrive_execution(executionArn=found[0].arn)
        return found[0]

    monkeypatch.setattr(drain_lookup, "find", meanwhile)
    status, _, err = stepdrain("redrive", "node-one")
    said = "Error: The drain of node-one runs already; `stepdrain watch node-one --sandbox` shows it."
    assert (status, err.splitlines()[-1]) == (1, said)


def test_start_and_plan_say_what_an_earlier_drain_has_left(stepdrain, world, one, tmp_path):
    """The node was emptied an hour ago and is cordoned: the next drain shows that, and is not refused."""
    stepdrain("start", "node-one", "--yes", "--watch")
    left = f"The drain {execution_of(world, one[0])['name']} has labelled and cordoned the node already."
    (tmp_path / "config").write_text(world.kube.kubeconfig())
    planned = CliRunner().invoke(cli, ["plan", one[1], "--kubeconfig", str(tmp_path / "config")])
    assert left in planned.stdout.splitlines()
    stepdrain.plain = True
    status, _, err = stepdrain("start", "node-one", "--yes")
    assert status == 0, err
    assert err.splitlines()[2:4] == [left, "0 of 2 pods would leave; 0 would hold the drain up now."]


def test_start_completes_the_action_that_holds_the_instance(stepdrain, world, one):
    """And finds the failed drain behind it: nothing strands the instance, nothing is hidden."""
    pod = protected(world, one[1])
    world.terminate(one[0])
    world.pass_time(10)
    status, _, err = stepdrain("start", "i-one", "--policy", "evictUnmanaged=true", "--yes", "--watch")
    assert status == 0, err
    assert "Its lifecycle hook holds it: when it is drained, Auto Scaling goes on and terminates it." in err
    world.pass_time(60)
    assert world.lifecycle_state(one[0]) == ""
    assert world.kube.cluster.get("Pod", pod) is None


def test_start_takes_a_nodes_first_label(stepdrain, world, one):
    """As kubectl users abbreviate."""
    short = one[1].split(".")[0]
    # It stands in Settle meanwhile: how far a drain comes in no time differs from run to run.
    status, out, _ = stepdrain("start", short, "--yes", "--policy", "settleTime=60")
    assert (status, out.splitlines()[0]) == (0, "Started: the drain of node-one")
    world.pass_time(1)
    status, _, err = stepdrain("start", short, "--yes")
    assert status == 1
    assert "Error: A drain of node-one runs already, in " in err
    assert "`stepdrain watch node-one --sandbox` shows it" in err
    status, out, err = stepdrain("stop", "node-one", "--yes")
    assert (status, out.splitlines()[0]) == (0, "Stopped: the drain of node-one, in Settle")
    assert err.splitlines()[1:] == [
        "The node keeps its label and its cordon. To go on: stepdrain redrive node-one --sandbox",
        "To use the node again: stepdrain undo node-one --sandbox",
    ]
    world.pass_time(60)
    assert stepdrain("stop", "node-one", "--yes") == (
        1,
        "",
        f"NOTE\nError: The drain of node-one does not run: it is ABORTED ({ARN}:i-one-manual-TOKEN); "
        "`stepdrain status node-one --sandbox` shows how it ended, and what to type next.\n",
    )


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (
            ["nope"],
            "No instance has the private DNS name nope, and cluster demo has no node called nope; "
            "`kubectl get nodes` lists their names.",
        ),
        (["i-1234"], "i-1234 is no instance id: that is i- and 8 or 17 digits from 0 to f."),
        (
            ["i-0123456789abcdef0"],
            "EC2 does not know instance i-0123456789abcdef0 in this account and region. Nothing was started.",
        ),
        (
            ["default/web-0"],
            "default/web-0 is no node's name, but may be a pod's: give the node that it is on, "
            "`kubectl get pod --namespace default web-0 --output wide` shows it.",
        ),
        (["arn:aws:ec2:x"], "arn:aws:ec2:x is an ARN; give a node's name or an instance id."),
        (["i-one", "--cluster", "other"], "node-one belongs to cluster demo, not to other."),
        (
            ["i-one"],
            "Nobody can be asked here (Start the drain of node-one?): add --yes to go on without a question.",
        ),
    ],
)
def test_start_refuses_what_it_does_not_find_with_the_reason(world, monkeypatch, typed, sentence):
    """Status 2, one sentence, and no execution."""
    instance, node = list(world.instances.items())[-1]
    stepdrain, before = (
        Typist(world, monkeypatch, {"i-one": instance, "node-one": node}),
        len(world.executions()),
    )
    status, out, err = stepdrain("start", *typed)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == f"Error: {sentence}"
    assert len(world.executions()) == before


def test_start_refuses_an_instance_that_is_no_node(stepdrain, world, one):
    """It used to end as a success."""
    world.kube.cluster.remove("Node", one[1])
    assert stepdrain("start", "i-one", "--yes")[::2] == (
        2,
        "NOTE\nError: Instance i-one is no node of cluster demo: there is nothing to drain.\n",
    )


def test_no_is_an_answer(stepdrain):
    """Nothing is started, and the status says so."""
    status, out, err = stepdrain("start", "node-one", answer="n\n")
    assert (status, out, err.splitlines()[-1]) == (1, "", "Error: Nothing was started.")


def test_whoever_gives_no_answer_gets_the_line_ended(stepdrain):
    """Ctrl-C and Ctrl-D at a question: what is said next stood behind it, in the same line."""
    assert stepdrain("start", "node-one", answer="")[2].endswith(
        "Start the drain of node-one? [y/N]: \nAborted!\n"
    )


def test_undo_takes_back_what_the_drain_had_set(stepdrain, world, one):
    """Label, cordon, both annotations and both conditions; the node takes pods and traffic again."""
    stepdrain("start", "node-one", "--yes")
    world.pass_time(1)
    status, _, err = stepdrain("undo", "node-one", "--yes")
    assert (status, "runs: stop it first, `stepdrain stop node-one --sandbox`." in err) == (1, True)
    world.pass_time(60)
    both = [CORDONED_BY, LABELLED_BY]
    assert marks(world, one[1]) == (True, True, both, ["DrainInProgress", "Drained"])
    status, out, err = stepdrain("undo", one[1].split(".")[0], answer="y\n")
    assert (status, out) == (0, "Undone on node node-one: label, cordon, conditions.\n")
    assert "Take back label, cordon, conditions of node node-one? [y/N]: y" in err
    assert marks(world, one[1]) == (False, False, [], [])
    assert stepdrain("undo", "node-one")[1] == "Nothing on node node-one was set by a drain.\n"


def test_undo_of_an_unknown_node_says_where_it_has_looked(stepdrain, world, tmp_path):
    """With what kubectl needs to list them."""
    said = "has no node whose name, first label or instance id is nope"
    assert stepdrain("undo", "nope") == (
        2, "", f"NOTE\nError: Cluster demo {said}; `kubectl get nodes` lists their names.\n"
    )  # fmt: skip
    config = tmp_path / "kubeconfig"
    config.write_text(world.kube.kubeconfig())
    assert stepdrain("undo", "nope", "--kubeconfig", str(config))[2].splitlines()[-1] == (
        f"Error: The cluster {said}; `kubectl get nodes --kubeconfig {config}` lists their names."
    )


@pytest.mark.parametrize(("changes", "status"), [(4, 0), (5, 5)])
def test_undo_of_a_node_that_is_changed_meanwhile_reads_it_again(
    stepdrain, world, one, monkeypatch, changes, status
):
    """By another undo, or by whoever writes on nodes: it was a conflict, and nothing was undone."""
    stepdrain("start", "node-one", "--yes", "--watch")
    patch, left = Kube.patch_node, [changes]

    def changed(cluster, name, body):
        if left[0]:
            left[0] -= 1
            world.kube.cluster.change(
                "Node", name, "", {"metadata": {"annotations": {"example.com/n": str(left[0])}}}
            )
        return patch(cluster, name, body)

    monkeypatch.setattr(Kube, "patch_node", changed)
    assert stepdrain("undo", "node-one", "--yes")[0] == status
    assert marks(world, one[1])[1] is bool(status)


def test_undo_leaves_what_somebody_else_has_set(stepdrain, world, one):
    """A person had cordoned it before."""
    world.kube.cluster.change("Node", one[1], None, {"spec": {"unschedulable": True}})
    stepdrain("start", "node-one", "--yes")
    world.pass_time(60)
    assert stepdrain("undo", "node-one", "--yes")[1] == (
        "Undone on node node-one: label, conditions. Somebody else has set its cordon, which stays.\n"
    )
    assert marks(world, one[1])[:2] == (False, True)


def test_undo_prints_the_commands_where_the_cluster_does_not_let_it(stepdrain, world, one, monkeypatch):
    """A person with another kubectl pastes them; the status is that of no access."""
    stepdrain("start", "node-one", "--yes")
    world.pass_time(60)
    monkeypatch.setattr(world.kube, "authenticate", lambda _token: User("somebody"), raising=False)
    forbid(world, monkeypatch)
    status, out, err = stepdrain("undo", "node-one", "--yes")
    assert status == 5, err
    assert out.splitlines() == [
        "kubectl label node node-one node.kubernetes.io/exclude-from-external-load-balancers-",
        "kubectl uncordon node-one",
        "kubectl annotate node node-one stepdrain/labelled-by- stepdrain/cordoned-by-",
    ]
    assert "Error: The cluster cannot be reached from here; the commands above do it. " in err


def forbid(world, monkeypatch):
    """The caller's own identity is none that the cluster knows."""
    monkeypatch.setattr(Aws, "kube_token", lambda _self, _cluster: "unknown")


NAMED = (
    "--auto-scaling-group-name workers --lifecycle-hook-name stepdrain --instance-id i-one --region eu-west-1"
)
GOES_ON = [
    f"To hold it for 30 min from now: aws autoscaling record-lifecycle-action-heartbeat {NAMED}",
    f"To let it go now: aws autoscaling complete-lifecycle-action {NAMED} --lifecycle-action-result CONTINUE",
]


@pytest.fixture
def held(stepdrain, world, one):
    """Types commands about a node whose drain has failed a minute ago, and whose hook holds the instance."""
    protected(world, one[1])
    world.terminate(one[0])
    world.pass_time(60)
    return stepdrain


@pytest.mark.parametrize("by", ["the account", "a kubeconfig", "no way to the cluster"])
def test_undo_of_a_node_that_a_hook_still_holds_says_that_it_goes_and_when(
    held, world, tmp_path, monkeypatch, by
):
    """Who takes label and cordon back may think that the machine stays: it is said before the question."""
    options = []
    if by == "a kubeconfig":
        (tmp_path / "kubeconfig").write_text(world.kube.kubeconfig())
        options = ["--kubeconfig", str(tmp_path / "kubeconfig")]
    if by == "no way to the cluster":
        forbid(world, monkeypatch)
    status, out, err = held("undo", "node-one", *options, "--yes")
    said = err.splitlines()
    when = "in 29 min, at TIME, unless it is held longer"
    goes = f"Auto Scaling terminates instance i-one all the same: {when}."
    assert said[1] == goes
    if by == "no way to the cluster":
        assert (status, said[2:4]) == (5, GOES_ON)
        return
    assert (status, out) == (0, "Undone on node node-one: label, cordon, conditions.\n")
    assert said[-2:] == GOES_ON
    # Also where nothing is left to take back.
    status, out, err = held("undo", "node-one", *options)
    assert (status, out) == (0, "Nothing on node node-one was set by a drain.\n")
    assert err.splitlines()[1:] == [goes, *GOES_ON]


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("Terminating:Wait", "terminates instance i-one"),
        ("Warmed:Terminating:Wait", "terminates instance i-one"),
        ("ReplacingRootVolume:Wait", "replaces the root volume of instance i-one"),
    ],
)
def test_undo_says_what_comes_in_each_state_in_which_a_hook_holds_the_instance(
    held, monkeypatch, state, says
):
    """Of one that leaves a warm pool it said nothing, and a root volume's replacement terminates nothing."""
    monkeypatch.setattr(Aws, "lifecycle_state", lambda *_: state)
    assert (
        held("undo", "node-one", "--yes")[2]
        .splitlines()[1]
        .startswith(f"Auto Scaling {says} all the same: in ")
    )


def test_undo_says_nothing_of_a_hook_where_the_instance_is_launched(held, monkeypatch):
    """A launch hook holds it: it is not on its way out."""
    monkeypatch.setattr(Aws, "lifecycle_state", lambda *_: "Pending:Wait")
    assert "Auto Scaling" not in held("undo", "node-one", "--yes")[2]


def test_each_state_of_a_hook_has_its_words():
    """A new one in the intake's table needs them; only an event says that a warm pool comes next."""
    assert {NEXT[destination] for _, destination in HELD.values()} <= {next_of(state, {}) for state in HELD}
    to_the_pool = {"origin": "AutoScalingGroup", "destination": "WarmPool"}
    assert next_of("Terminating:Wait", to_the_pool).format("it") == "puts it into the warm pool"
    assert next_of("Warmed:Terminating:Wait", to_the_pool).format("it") == "terminates it"


def test_undo_says_when_only_as_far_as_it_is_known(held, world, one):
    """A person has held it longer by hand: what a drain knows of is over, and Auto Scaling still waits."""
    client = boto3.client("autoscaling", region_name="eu-west-1")
    world.pass_time(1500)
    client.record_lifecycle_action_heartbeat(
        LifecycleHookName="stepdrain", AutoScalingGroupName="workers", InstanceId=one[0]
    )
    world.pass_time(600)
    assert world.lifecycle_state(one[0]) == "Terminating:Wait"
    assert held("undo", "node-one", "--yes")[2].splitlines()[1] == (
        "Auto Scaling terminates instance i-one all the same: when its lifecycle hook's time is over."
    )


def test_undo_without_the_right_to_ask_auto_scaling_still_undoes(held, monkeypatch):
    """What it could not ask is a note."""

    def denied(*_):
        raise AwsDenied("You may not.")

    monkeypatch.setattr(Aws, "lifecycle_state", denied)
    status, out, err = held("undo", "node-one", "--yes")
    assert (status, out[:6]) == (0, "Undone")
    assert "Note: whether a lifecycle hook holds the instance is not known: You may not." in err


def test_status_offers_undo_as_long_as_there_is_something_to_undo(held):
    """And the redrive besides, which goes on however the node looks."""
    assert "stepdrain undo node-one --sandbox" in held("status", "node-one")[1]
    held("undo", "node-one", "--yes")
    status, out, _ = held("status", "node-one")
    assert status == 3
    assert "stepdrain undo" not in out
    assert "Undone:  nothing that a drain has set is left on the node" in out
    assert "stepdrain redrive node-one --sandbox" in out


def test_watch_offers_no_undo_after_an_undo(held, monkeypatch):
    """Its last picture is what a person types from."""
    drawn = drawn_at(monkeypatch, 100, 60)
    held("watch", "node-one")
    assert any("stepdrain undo" in line for line in pictures(drawn)[-1])
    held("undo", "node-one", "--yes")
    drawn = drawn_at(monkeypatch, 100, 60)
    held("watch", "node-one")
    assert not any("stepdrain undo" in line for line in pictures(drawn)[-1])
    assert any(line.startswith("Undone:") for line in pictures(drawn)[-1])


def test_status_of_a_node_that_was_registered_anew_offers_no_undo(held, world, one):
    """The successor of that name has nothing of the drain's on it."""
    node = world.kube.cluster.get("Node", one[1])
    world.kube.cluster.remove("Node", one[1])
    world.kube.cluster.create({**node, "metadata": {**node["metadata"], "uid": None}})
    assert "Undone:  nothing that a drain has set is left" in held("status", "i-one")[1]


def test_status_offers_undo_where_the_cluster_cannot_be_asked(held, world, monkeypatch):
    """Undo prints the commands then."""
    forbid(world, monkeypatch)
    assert "stepdrain undo node-one --sandbox" in held("status", "node-one")[1]


def test_a_cause_that_is_longer_than_step_functions_takes_stops_nothing(stepdrain, world, one):
    """Asked before anybody is, and the embedded service refuses it, too."""
    stepdrain("start", "node-one", "--yes", "--policy", "settleTime=60")
    world.pass_time(1)
    status, _, err = stepdrain("stop", "node-one", "--yes", "--cause", "a" * 32_769)
    said = "Error: --cause has 32769 characters, and Step Functions takes 32768."
    assert (status, err.splitlines()[-1]) == (2, said)
    running = execution_of(world, one[0])
    assert running["status"] == "RUNNING"
    client = boto3.client("stepfunctions", region_name="eu-west-1")
    with pytest.raises(ClientError, match="ValidationException"):
        client.stop_execution(executionArn=running["executionArn"], cause="a" * 32_769)
    assert stepdrain("stop", "node-one", "--yes", "--cause", "a" * 32_768)[0] == 0


def test_stop_of_a_drain_whose_instance_a_hook_holds_says_when_it_goes(stepdrain, world, one):
    """The same words, and the same commands."""
    blocked = blocked_database(one[1], replicas=1, grace_s=1)
    for manifest in blocked:
        world.kube.cluster.create(manifest)
    world.pass_time(5)
    world.terminate(one[0])
    world.pass_time(60)
    status, _, err = stepdrain("stop", "i-one", "--yes", "--cause", "the wrong node")
    world.kube.cluster.remove("PodDisruptionBudget", "orders-db", "default")
    assert (status, err.splitlines()[1][:60]) == (
        0, "Auto Scaling terminates instance i-one all the same: in 29 m",
    )  # fmt: skip
    assert err.splitlines()[-2:] == GOES_ON
    # The emulated execution's own thread ends it.
    world.pass_time(1)
    # Who comes next reads why.
    assert "Why:  the wrong node" in stepdrain("status", "i-one")[1].splitlines()


def test_redrive_with_a_policy_starts_a_new_drain_in_place_of_the_failed_one(stepdrain, world, one):
    """The same action, with its token; the failed one is made good and not redriven again."""
    pod = protected(world, one[1])
    world.terminate(one[0])
    world.pass_time(10)
    failed = execution_of(world, one[0])
    status, out, _ = stepdrain("redrive", "i-one", "--policy", "evictUnmanaged=true")
    assert (status, out) == (
        0,
        "Started: a new drain of node-one with evictUnmanaged=true, in place of "
        f"{stepdrain.readable(failed['name'])}\n{ARN}:i-one-replaces-TOKEN\n",
    )
    new = json.loads(execution_of(world, one[0])["input"])
    assert new["lifecycle"]["token"] == json.loads(failed["input"])["lifecycle"]["token"]
    assert new["lifecycle"]["globalTimeout"] in (172_790, 172_789)
    assert (new["replaces"], new["policy"]["evictUnmanaged"]) == (failed["name"], True)
    world.pass_time(120)
    assert world.kube.cluster.get("Pod", pod) is None
    assert world.lifecycle_state(one[0]) == ""
    assert stepdrain("status", "i-one")[0] == 0
    assert stepdrain("redrive", "i-one")[0] == 1


def test_redrive_of_an_instance_that_is_gone_says_so(stepdrain, world, one):
    """--all-failed skips it; it used to be redriven, and to succeed."""
    protected(world, one[1])
    world.terminate(one[0])
    world.pass_time(1900)
    assert world.lifecycle_state(one[0]) == ""
    status, _, err = stepdrain("redrive", "node-one")
    assert status == 1
    assert "Error: Instance i-one of node-one is gone (terminated). There is nothing to redrive (arn:" in err
    before = execution_of(world, one[0])["redriveCount"]
    assert (
        "Skipped: Instance i-one of node-one is gone (terminated)." in stepdrain("redrive", "--all-failed")[2]
    )
    assert execution_of(world, one[0])["redriveCount"] == before


def test_a_failed_drain_comes_before_one_that_a_person_started_later(stepdrain, world, one):
    """Both are found by the id, though the first one's name lacks it."""
    client = boto3.client("stepfunctions", region_name="eu-west-1")
    protected(world, one[1])
    document = {"nodeName": one[1], "cluster": "demo", "reason": "manual"}
    failed = client.start_execution(
        stateMachineArn=world.machine, name="typed-in-the-console", input=json.dumps(document)
    )["executionArn"]
    world.pass_time(10)
    stepdrain("start", "i-one", "--policy", "evictUnmanaged=true", "--yes")
    world.pass_time(60)
    assert execution_of(world, one[0])["status"] == "SUCCEEDED"
    for typed in ("i-one", "node-one"):
        shown = json.loads(stepdrain("status", typed, "-o", "json")[1])
        assert (shown["status"], shown["arn"]) == ("FAILED", failed)


def test_a_drain_that_never_found_its_node_is_found_by_the_nodes_name(stepdrain, world, one):
    """Its document knows the instance alone; EC2 knows whose private DNS name that is."""
    world.aws.lambda_faults.append(LambdaFault("FindNodeFunction", "MemoryError"))
    world.terminate(one[0])
    world.pass_time(10)
    for typed in ("node-one", one[1].split(".")[0]):
        shown = json.loads(stepdrain("status", typed, "-o", "json")[1])
        assert (shown["status"], shown["state"], shown["instance"]) == ("FAILED", "FindNode", "i-one")


def test_an_empty_name_never_means_a_drain_that_has_found_no_node(stepdrain, world, one):
    """Such a drain's node is "", too; a script whose variable is not set must not stop it."""
    world.aws.lambda_faults.append(LambdaFault("FindNodeFunction", "MemoryError"))
    world.terminate(one[0])
    world.pass_time(10)
    clock, session = world.clock, boto3.Session(region_name="eu-west-1")
    assert drain_lookup.matching(Account(session, world.machine, clock.now, clock.sleep), "") == []
    for command in ("stop", "redrive", "undo", "start", "watch"):
        status, out, err = stepdrain(command, "")
        assert (status, out, err.splitlines()[-1][:23]) == (2, "", "Error: NODE is empty, a")


def test_watch_without_a_node_follows_all_that_run(stepdrain, world, one):
    """Each line says whose it is."""
    stepdrain("start", "node-one", "--yes")
    status, out, _ = stepdrain("watch")
    assert status in (0, 3)
    whose, said = zip(*(line.split("  ", 1) for line in out.splitlines()), strict=True)
    assert set(whose) <= {"i-one", "node-one"}  # Before FindNode has answered, only the id is known.
    assert said[:2] == ("0.0s  == Started", "0.0s  -> FindNode")
    assert stepdrain("watch")[1:] == ("", "NOTE\nNo drain runs.\n")


def test_watch_without_a_node_is_drawn_in_40_columns(stepdrain, one, monkeypatch):
    """A block for each drain: a table of six columns would be broken in the middle of its names."""
    drawn = drawn_at(monkeypatch, 40, 24)
    stepdrain("start", "node-one", "--yes")
    assert stepdrain("watch")[0] in (0, 3)
    shown = pictures(drawn)
    assert max(len(line) for picture in shown for line in picture) <= 40
    assert shown[-1][0] == one[1]
    assert re.match(r"  STATUS SUCCEEDED  STATE CompleteAction", shown[-1][1])


def test_where_nobody_can_be_asked_nothing_is_stopped_and_nothing_undone(stepdrain, world, one):
    """A script without --yes: status 2, and what to add."""
    # It stands in Settle meanwhile.
    stepdrain("start", "node-one", "--yes", "--policy", "settleTime=60")
    world.pass_time(1)
    add = "add --yes to go on without a question"
    status, out, err = stepdrain("stop", "node-one")
    assert (status, out, err.splitlines()[-1]) == (
        2, "", f"Error: Nobody can be asked here (Stop the drain of node-one in Settle?): {add}.",
    )  # fmt: skip
    assert stepdrain("stop", "node-one", answer="n\n")[2].endswith("Error: Nothing was stopped.\n")
    assert execution_of(world, one[0])["status"] == "RUNNING"
    world.pass_time(120)
    status, out, err = stepdrain("undo", "node-one")
    assert (status, out, err.splitlines()[-1]) == (
        2, "", "Error: Nobody can be asked here (Take back label, cordon, conditions of node node-one?): "
        f"{add}.",
    )  # fmt: skip
    assert stepdrain("undo", "node-one", answer="n\n")[2].endswith("Error: Nothing was changed.\n")
    assert marks(world, one[1])[:2] == (True, True)


def test_undo_of_a_name_that_two_nodes_have_changes_neither(stepdrain, world, one):
    """Both are named."""
    short = one[1].split(".")[0]
    twin = f"{short}.other.internal"
    world.kube.cluster.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": twin}, "spec": {}})
    try:
        status, out, err = stepdrain("undo", short, "--yes")
    finally:
        world.kube.cluster.remove("Node", twin)
    both = ", ".join(sorted((one[1], twin))).replace(one[1], "node-one")
    assert (status, out, err.splitlines()[-1]) == (
        2, "", f"Error: {short} can mean {both}: give the whole name.",
    )  # fmt: skip


def test_a_shell_completes_nodes_and_instances_of_drains(stepdrain, world, one):
    """What was drained is what one asks about; where nothing answers, nothing is offered."""
    stepdrain("start", "node-one", "--yes")
    world.pass_time(30)
    context = click.Context(cli.get_command(None, "status"))
    context.params = {"sandbox": True}
    offered = name_completion.drained_nodes(context, None, "")
    assert {one[0], one[1]} <= set(offered)
    assert name_completion.drained_nodes(context, None, one[1]) == [one[1]]
    context.params = {"stack": "nope", "state_machine": "arn:aws:states:eu-west-1:1:stateMachine:none"}
    assert name_completion.drained_nodes(context, None, "") == []
