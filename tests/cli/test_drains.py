"""The commands about drains: output to the letter, on the account behind --sandbox."""

import json
import re
from datetime import UTC, datetime

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.stub import Stubber
from click.testing import CliRunner
from stepdrain.adapters.aws import Aws

from stepdrain_cli.__main__ import cli
from stepdrain_cli.accounts import account as accounts
from stepdrain_cli.accounts import drain_lookup
from stepdrain_cli.accounts import drains as found_drains
from stepdrain_cli.accounts.node_now import NodeNow, Nodes
from stepdrain_cli.terminal.exits import NO_ACCESS, CommandError
from stepdrain_sandbox.examples.drains import drains
from tests.cli.accounts import drawn_at, pictures, use_account_of

ARN = "arn:aws:states:eu-west-1:123456789012:execution:stepdrain-DrainNode"
CONSOLE = "https://eu-west-1.console.aws.amazon.com"
NAMES = ("done", "refused", "blocked", "fresh", "other")


@pytest.fixture(scope="module")
def world():
    """Four nodes: one drained, one refused, one blocked, one untouched."""
    with drains() as world:
        yield world


@pytest.fixture
def stepdrain(world, monkeypatch):
    """Runs a command with --sandbox on this module's world; what is random gets a name."""
    use_account_of(world, monkeypatch)

    def run(*arguments, text=None):
        named = [replaced(argument, unmasked(world)) for argument in arguments]
        result = CliRunner().invoke(cli, [*named, "--sandbox"], input=text)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, masked(result.stdout, world), masked(result.stderr, world)

    return run


NOTE = "Sandbox: an embedded account with three drains, made for this command and gone after it.\n"
known = {}


def unmasked(world):
    known.update(dict(zip(NAMES, world.instances.items() if not known else known.values(), strict=False)))
    return {f"i-{name}": instance for name, (instance, _) in known.items()} | {
        f"node-{name}": node for name, (_, node) in known.items()
    }


def replaced(text, names):
    for name, real in names.items():
        text = text.replace(name, real)
    return text


def masked(text, world):
    text = replaced(text, {real: name for name, real in unmasked(world).items()})
    text = re.sub(r"(:i-\w+)-[0-9a-f]{8}\b", r"\1-TOKEN", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    text = re.sub(r"orders-db-[a-z0-9]{5}", "orders-db-POD", text)
    text = re.sub(r"(?m)(?<=  )(\d+ min )?[1-9]\d* s(?=  |$)", "SECONDS", text)
    return "\n".join(re.sub(r" {2,}", "  ", line) for line in text.split("\n"))


def test_list_shows_each_drain_with_its_node_and_state(stepdrain):
    """Newest first; the execution and its links are in the wide table."""
    status, out, err = stepdrain("list")
    assert (status, err) == (0, NOTE)
    assert out.splitlines() == [
        "NODE  INSTANCE  STATUS  STATE  AGE  TOOK",
        "node-blocked  i-blocked  RUNNING  WaitForPods  1 min  1 min",
        "node-refused  i-refused  FAILED  EvictBatch  SECONDS  0 s",
        "node-done  i-done  SUCCEEDED  CompleteAction  SECONDS  SECONDS",
    ]
    wide = stepdrain("list", "-o", "wide")[1].splitlines()
    assert wide[0].endswith("TOOK  STARTED (UTC)  EXECUTION  CONSOLE")
    console = "https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/"
    assert wide[1].endswith(f"TIME  {ARN}:i-blocked-TOKEN  {console}{ARN}:i-blocked-TOKEN")


def test_list_can_be_narrowed_and_read_by_programs(stepdrain):
    """--failed, --running, --json."""
    assert len(stepdrain("list", "--failed")[1].splitlines()) == 2
    (running,) = json.loads(stepdrain("list", "--running", "--json")[1])
    assert yaml.safe_load(stepdrain("list", "--running", "-o", "yaml")[1]) == [running]
    assert (running["node"], running["status"], running["ended"]) == ("node-blocked", "RUNNING", None)


def test_a_list_of_failed_and_of_running_drains_is_none(stepdrain):
    """One of the two would be left out without a word."""
    status, out, err = stepdrain("list", "--failed", "--running")
    assert (status, out) == (2, "")
    assert "Give --failed or --running, not both." in err


def test_status_of_a_blocked_drain_says_what_it_waits_for_and_how_long_it_may(stepdrain):
    """By the node's name; budgets and pods are named."""
    status, out, _ = stepdrain("status", "node-blocked")
    assert status == 0
    needs = "disruption budget orders-db needs 2 healthy pods and has 2"
    assert out.splitlines() == [
        "Node:  node-blocked",
        "Instance:  i-blocked",
        f"Execution:  {ARN}:i-blocked-TOKEN",
        "Status:  RUNNING after 1 min",
        "State:  WaitForPods, attempt 2, since 1 min",
        "Pods:  1 evicted, 0 leaving, 2 blocked",
        f"  default/orders-db-POD: {needs}",
        f"  default/orders-db-POD: {needs}",
        "Waits for:  2 pods cannot be evicted now: default/orders-db-POD: "
        f"{needs}; default/orders-db-POD: {needs}.",
        "Deadline:  in 59 min, at TIME",
        "Heartbeat:  in 29 min, at TIME",
        f"Console:  {CONSOLE}/states/home?region=eu-west-1#/v2/executions/details/{ARN}:i-blocked-TOKEN",
        f"Log:  {CONSOLE}/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/"
        "$252Faws$252Flambda$252Fstepdrain-WaitForPods",
    ]


def test_status_counts_what_is_on_the_node_now(stepdrain, world):
    """The record is as old as the state: a pod that it calls leaving has been gone for a minute."""
    shown = json.loads(stepdrain("status", "node-blocked", "-o", "json")[1])
    assert (shown["progress"]["leaving"], shown["present"]["leaving"]) == (1, [])
    assert shown["present"]["staying"] == ["default/orders-db-POD"] * 2
    pod = next(p for p in world.kube.cluster.list("Pod") if p["metadata"]["name"].startswith("orders-db"))
    for deleted_at, counts in (("2026-01-01T00:00:40Z", "1 leaving, 1"), (None, "0 leaving, 2")):
        asked = {"deletionTimestamp": deleted_at, "deletionGracePeriodSeconds": deleted_at and 30}
        world.kube.cluster.change("Pod", pod["metadata"]["name"], "default", {"metadata": asked})
        assert f"Pods:  1 evicted, {counts} blocked" in stepdrain("status", "node-blocked")[1].splitlines()


def test_status_names_no_pod_that_has_gone(stepdrain, world, monkeypatch):
    """The record still does."""
    gone = NodeNow(frozenset({"default/orders-db-other"}), frozenset(), bare=False)
    monkeypatch.setattr(Nodes, "now", lambda *_: gone)
    lines = stepdrain("status", "node-blocked")[1].splitlines()
    assert lines[lines.index("Pods:  1 evicted, 0 leaving, 1 blocked") + 1].startswith("Waits for:")


def test_status_says_how_old_the_counts_are_where_the_cluster_does_not_answer(stepdrain, monkeypatch):
    """What is on the node is not known then, and the record's counts may be of long ago."""
    monkeypatch.setattr(Aws, "kube_token", lambda _self, _cluster: "unknown")
    out = stepdrain("status", "node-blocked")[1]
    assert "Pods:  1 evicted, 1 leaving, 2 blocked (as recorded 1 min ago)" in out.splitlines()
    assert json.loads(stepdrain("status", "node-blocked", "-o", "json")[1])["present"] is None


def test_status_of_a_failed_drain_says_what_to_do(stepdrain):
    """By the instance id; the exit status says that the policy refused."""
    status, out, _ = stepdrain("status", "i-refused")
    assert status == 3
    assert "Error:  DrainRefused" in out
    assert "Time left:  the instance is let go in 28 min" in out
    lines = out.splitlines()
    assert lines[lines.index(next(line for line in lines if line.startswith("Runbook:"))) :][:7] == [
        "Runbook:  stepdrain runbook DrainRefused",
        "What to do: Fix the cause, then let the drain continue from this state:",
        "  stepdrain redrive node-refused --sandbox",
        "  Or go on with another policy:",
        "  stepdrain redrive node-refused --policy evictUnmanaged=true --sandbox",
        "  Or give the node back, with its label and cordon taken away:",
        "  stepdrain undo node-refused --sandbox",
    ]


def test_history_tells_the_drain_event_by_event(stepdrain):
    """And --json is what report --from-file reads."""
    lines = stepdrain("history", "node-done")[1].splitlines()
    assert lines[0] == f"node-done  {ARN}:i-done-TOKEN"
    assert lines[1:5] == [
        "  0.0s  == Started",
        "  0.0s  -> FindNode",
        "  0.0s  <- FindNode",
        "  0.0s  -> Label",
    ]
    assert lines[-1].endswith("s  == Succeeded")
    assert json.loads(stepdrain("history", "i-done", "--json")[1])["events"][0]["type"] == "ExecutionStarted"


AMONG = (
    "is among the newest 200 of stepdrain-DrainNode in eu-west-1; `stepdrain list --sandbox` shows the names."
)
OTHER = "arn:aws:states:eu-west-1:123456789012:execution"
WIDE = "`stepdrain list -o wide --sandbox` shows them."
NO_DRAIN = [
    ("nope", f"No drain of a node called nope, or whose name begins with nope and a dot, {AMONG}"),
    (
        "node/nope.x",
        f"No drain of a node called nope.x, or whose name begins with nope.x and a dot, {AMONG}",
    ),
    ("i-0123456789abcdef0", f"No drain of instance i-0123456789abcdef0 {AMONG}"),
    ("aws:///eu-west-1a/i-0123456789abcdef0", f"No drain of instance i-0123456789abcdef0 {AMONG}"),
    (
        "i-1234",
        "i-1234 is no instance id (i- and 8 or 17 digits from 0 to f), "
        f"and no drain of that name {AMONG}",
    ),
    ("arn:aws:ec2:x", f"arn:aws:ec2:x is not the ARN of an execution; {WIDE}"),
    (f"{ARN}:i-nope", f"There is no execution {ARN}:i-nope; {WIDE}"),
    (
        f"{OTHER}:shop-Orders:1",
        f"{OTHER}:shop-Orders:1 is an execution of shop-Orders in account 123456789012, "
        f"not of stepdrain-DrainNode in 123456789012; {WIDE} Name another installation "
        "with --stack or --state-machine.",
    ),
    (
        "default/web-0",
        "default/web-0 is no node's name, but may be a pod's: give the node that it is on, "
        "`kubectl get pod --namespace default web-0 --output wide` shows it.",
    ),
    (
        "no de",
        "'no de' is neither a node's name nor an instance id nor an ARN; "
        "`kubectl get nodes` lists the names.",
    ),
    (
        "a" * 257,
        f"{'a' * 40}… has 257 characters, and no node's name, instance id or ARN is that long; "
        "`kubectl get nodes` lists the names.",
    ),
    (
        " ",
        "NODE is empty, as of a variable that is not set: give a node's name or an instance id; "
        "`kubectl get nodes` lists the names.",
    ),
]  # fmt: skip


@pytest.mark.parametrize("command", ["status", "watch", "history", "redrive", "stop", "report", "bundle"])
def test_a_name_that_no_drain_has_is_one_sentence(stepdrain, command):
    """What was looked for, where, and what to type next, with the flags that were typed."""
    for typed, sentence in NO_DRAIN:
        status, out, err = stepdrain(command, typed)
        assert (status, out, err.splitlines()[-1]) == (2, "", f"Error: {sentence}"), typed


@pytest.mark.parametrize("typed", ["node/{}", "nodes/{}", " {}\n", "aws:///eu-west-1a/{instance}"], ids=repr)
def test_what_people_paste_is_a_name(stepdrain, world, typed):
    """From `kubectl get nodes --output name`, from a providerID, or with a line's end."""
    instance, node = known["done"]
    status, out, _ = stepdrain("status", typed.format(node, instance=instance))
    assert (status, out.splitlines()[0]) == (0, "Node:  node-done")


def test_a_drain_of_nothing_known_makes_no_other_good():
    """Two drains that never found out whose they are have nothing in common."""
    failed = found_drains.Drain("a", "x", "FAILED", 1, 2, "", "", "FindNode", held=True)
    later = found_drains.Drain("b", "y", "SUCCEEDED", 3, 4, "", "", "FindNode", held=True)
    assert drain_lookup.urgency(failed, [failed, later])[0] == 1


def test_an_admission_is_found_by_its_arn_whatever_its_machine_is_called(stepdrain, world, monkeypatch):
    """Its name was guessed from the other machine's; what both call is one installation."""
    (admit,) = [arn for name, arn in world.aws.deployment.state_machines.items() if name == "AdmitNode"]
    client = boto3.client("stepfunctions", region_name="eu-west-1")
    shown = client.describe_state_machine(stateMachineArn=admit)
    given = {"definition": shown["definition"], "roleArn": shown["roleArn"]}
    machine = client.create_state_machine(name="arrivals", **given)["stateMachineArn"]
    named = {"stateMachineArn": machine, "name": f"{list(world.instances)[-1]}-x"}
    started = client.start_execution(**named, input="{}")["executionArn"]
    world.pass_time(5)
    status, out, err = stepdrain("redrive", started)
    world.pass_time(5)
    assert (status, out.splitlines()[0]) == (0, "Redriven: the drain of i-other goes on at WaitForNode"), err


def test_a_name_that_several_nodes_have_is_refused():
    """Another node must not be redriven by a slip."""
    both = [
        found_drains.Drain("arn", "i-1", "FAILED", 0, 1, f"ip-1.{zone}", "i-1", "Label")
        for zone in ("a", "b")
    ]
    with pytest.raises(
        CommandError, match=r"ip-1 can mean ip-1.a, ip-1.b: give the whole name or the instance id."
    ):
        drain_lookup._of_one_node("ip-1", both)


def test_a_report_is_made_of_a_drain_by_its_nodes_name(stepdrain, tmp_path):
    """As of a file."""
    status, _, _ = stepdrain("report", "node-refused", "--out", str(tmp_path / "r.html"))
    assert status == 0
    assert "It stopped at EvictBatch: DrainRefused" in (tmp_path / "r.html").read_text()


def test_watch_tells_what_happens_until_the_drain_ends(stepdrain):
    """Without a terminal a line each; the budget is edited after five minutes."""
    status, out, _ = stepdrain("watch", "node-blocked", "--interval", "40")
    assert status == 0
    assert "<- EvictBatch, not yet: default/orders-db-" in out
    assert out.count("not yet: EvictionBlocked") == 3
    assert out.splitlines()[-1].endswith("== Succeeded")
    assert "\x1b" not in out


@pytest.mark.parametrize(("columns", "lines"), [(40, 80), (40, 24), (80, 24)])
def test_watch_draws_no_more_than_the_terminal_takes(stepdrain, monkeypatch, columns, lines):
    """Names are whole, nothing goes on beyond the edge, and old events give way to the newest."""
    drawn = drawn_at(monkeypatch, columns, lines)
    status, _, _ = stepdrain("watch", "node-refused")
    *during, last = pictures(drawn)
    assert (status, len(during)) == (3, 1)
    # What stays when it is over may be longer: the terminal scrolls.
    assert len(during[0]) <= lines
    assert max(len(line) for picture in (*during, last) for line in picture) <= columns
    for name in known["refused"]:
        assert any(name in line for line in last)
    assert any("DrainRefused" in line for line in last)
    assert last[-1].endswith("another policy.")


def test_all_failed_drains_go_on_and_end_well(stepdrain, world):
    """Their causes are repaired in this account."""
    status, out, _ = stepdrain("redrive", "--all-failed")
    assert status == 0
    assert f"Redriven: the drain of node-refused goes on at EvictBatch\n{ARN}:i-refused-TOKEN\n" in out
    world.clock.sleep(300)
    assert stepdrain("status", "i-refused")[0] == 0
    status, _, err = stepdrain("redrive", "i-refused")
    assert status == 1
    assert "Error: The drain of node-refused is SUCCEEDED: there is nothing to redrive (arn:" in err
    assert stepdrain("redrive", "--all-failed")[::2] == (0, NOTE + "No drain waits for a redrive.\n")


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        (NoCredentialsError(), "There are no AWS credentials: give --profile, run `aws sso login`"),
        (
            ClientError(
                {
                    "Error": {
                        "Code": "AccessDeniedException",
                        "Message": "User: arn:x is not authorized to perform: states:ListExecutions",
                    }
                },
                "ListExecutions",
            ),
            "You lack the permission states:ListExecutions: User: arn",
        ),
        (
            ClientError(
                {"Error": {"Code": "KmsAccessDeniedException", "Message": "The key may not be used."}},
                "DescribeExecution",
            ),
            "You lack the permission kms:Decrypt: The key may not be used.",
        ),
        (
            ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "m"}}, "ListExecutions"),
            "The AWS credentials are no longer valid (ExpiredTokenException): log in again.",
        ),
    ],
)
def test_what_aws_refuses_is_one_sentence_with_a_status_of_its_own(raised, sentence):
    """A missing permission is named."""
    with pytest.raises(CommandError) as refused, accounts.translated_errors():
        raise raised
    assert refused.value.exit_code == NO_ACCESS
    assert refused.value.message.startswith(sentence)


def test_a_list_that_moves_while_it_is_read_shows_each_drain_once():
    """A drain that starts between two pages pushes another onto the second; pages are as large as can be."""
    client = boto3.client("stepfunctions", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    first, last = "i-00000000000000001-a", "i-00000000000000002-b"
    machine = ARN.replace("execution", "stateMachine")
    item = {"executionArn": ARN, "stateMachineArn": machine, "status": "RUNNING"}
    date = datetime(2026, 1, 1, tzinfo=UTC)
    one, two = ({**item, "name": name, "startDate": date} for name in (first, last))
    asked = {"stateMachineArn": machine, "maxResults": 1000}
    with Stubber(client) as answers:
        answers.add_response("list_executions", {"executions": [one, two], "nextToken": "2"}, asked)
        answers.add_response("list_executions", {"executions": [two]}, {**asked, "nextToken": "2"})
        assert [found["name"] for found in found_drains.executions(client, machine)] == [last, first]
