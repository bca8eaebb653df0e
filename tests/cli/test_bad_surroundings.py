"""What is wrong around a command is one sentence with its status: region, keys, stack, terminal, pipe."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from click.testing import CliRunner

from stepdrain_cli.__main__ import cli, main
from stepdrain_cli.accounts import drain_status
from stepdrain_cli.commands.options import stack_of
from stepdrain_cli.terminal import tables
from stepdrain_cli.terminal.exits import CommandError
from tests.cli.histories import DOCUMENT, begun
from tests.cli.test_report import longest

NO_CLUSTER = ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "DescribeCluster")
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:stepdrain-DrainNode"


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """No region, no keys, no files of the user's, and nobody at the instance metadata service."""
    for name in (
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stderr


def test_without_a_region():
    """boto3 knows AWS_DEFAULT_REGION alone; AWS_REGION is what everybody sets."""
    assert run("list") == (5, "Error: No region is set: give --region, or set AWS_REGION.\n")


def test_without_credentials(monkeypatch):
    """The region comes from AWS_REGION."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    status, err = run("list")
    assert (status, err.startswith("Error: There are no AWS credentials: give --profile")) == (5, True)


def test_with_a_profile_that_is_not_there(monkeypatch):
    """AWS_PROFILE is heeded, too."""
    monkeypatch.setenv("AWS_PROFILE", "nope")
    status, err = run("list", "--region", "eu-west-1")
    assert (status, "The config profile (nope) could not be found" in err) == (5, True)


@pytest.fixture
def account(monkeypatch):
    """An account with another's stack in it: CloudFormation's answers alone."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")

    def answer(_client, operation, parameters):
        assert operation == "DescribeStacks"
        if parameters["StackName"] == "shop":
            return {"Stacks": [{"StackName": "shop", "Outputs": []}]}
        text = f"Stack with id {parameters['StackName']} does not exist"
        raise ClientError({"Error": {"Code": "ValidationError", "Message": text}}, operation)

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)


def test_a_stack_that_is_not_there_or_is_anothers(account):
    """Each says which it is."""
    assert run("list") == (
        2,
        "Error: There is no stack stepdrain in region eu-west-1; name yours with --stack, "
        "or the state machine with --state-machine ARN.\n",
    )
    assert run("list", "--stack", "shop") == (
        2, "Error: Stack shop has no output StateMachineArn: it is not Stepdrain's, or not ready.\n",
    )  # fmt: skip


def machine_of(stack):
    return f"arn:aws:states:eu-west-1:123456789012:stateMachine:{stack}-DrainNode"


@pytest.fixture
def two_stacks(monkeypatch):
    """One account, two installations; in each a failed drain of an instance of its own."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")

    def answer(_client, operation, parameters):
        if operation == "DescribeStacks":
            outputs = [{"OutputKey": "StateMachineArn", "OutputValue": machine_of(parameters["StackName"])}]
            return {"Stacks": [{"StackName": parameters["StackName"], "Outputs": outputs}]}
        if operation == "ListExecutions":
            return {"executions": [FAILED[parameters["stateMachineArn"]]]}
        if operation == "DescribeCluster":
            raise NO_CLUSTER
        assert operation in ("DescribeExecution", "GetExecutionHistory")
        if operation == "GetExecutionHistory":
            return {"events": as_boto(begun().failed("DrainRefused", "no").events)}
        return {**FAILED[parameters["executionArn"].replace("execution", "stateMachine").rsplit(":", 1)[0]]}

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)


FAILED = {
    machine_of(stack): {
        "executionArn": f"{machine_of(stack).replace('stateMachine', 'execution')}:i-{digit * 17}-token",
        "name": f"i-{digit * 17}-token",
        "status": "FAILED",
        "redriveStatus": "REDRIVABLE",
        "startDate": datetime.fromtimestamp(1_767_225_600, UTC),
        "stopDate": datetime.fromtimestamp(1_767_225_603, UTC),
        "input": json.dumps(DOCUMENT),
    }
    for stack, digit in (("stepdrain", "1"), ("blue", "2"))
}


def as_boto(events):
    """Times as boto3 gives them."""
    return [{**event, "timestamp": datetime.fromtimestamp(event["timestamp"], UTC)} for event in events]


def test_of_two_stacks_the_one_that_is_named_is_asked(two_stacks):
    """And each command that is suggested names it, too; else the other stack would answer."""
    assert "111-token" in out_of("list", "-o", "wide")
    assert "222-token" in out_of("list", "-o", "wide", "--stack", "blue")
    shown = out_of("status", "node-1.internal", "--stack", "blue", status=3)
    assert "stepdrain redrive node-1.internal --stack blue" in shown
    assert "stepdrain undo node-1.internal --stack blue" in shown


def out_of(*arguments, status=0):
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == status, result.output
    return result.stdout


SHORT = {
    "ListExecutions": {"executions": [FAILED[machine_of("stepdrain")]]},
    "DescribeExecution": FAILED[machine_of("stepdrain")],
    "DescribeInstances": {"Reservations": [{"Instances": [{"State": {"Name": "running"}}]}]},
    "DescribeAutoScalingInstances": {"AutoScalingInstances": [{"LifecycleState": "Terminating:Wait"}]},
    "RedriveExecution": {},
}
"""By operation: what AWS answers about a drain that has failed, besides its history."""


@pytest.fixture
def longest_history(monkeypatch):
    """The events of a drain that has failed with its history full, and the calls that ask AWS about it."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    events = as_boto(longest().failed("States.Runtime", "The execution history is full.").events)
    calls = []

    def answer(_client, operation, parameters):
        calls.append((operation, parameters.get("executionArn")))
        if operation == "DescribeCluster":
            raise NO_CLUSTER
        if operation in SHORT:
            return {**SHORT[operation]}
        if operation != "GetExecutionHistory":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": operation}}, operation)
        ordered = events[::-1] if parameters.get("reverseOrder") else events
        begin, most = int(parameters.get("nextToken", 0)), parameters.get("maxResults", 100)
        rest = {"nextToken": str(begin + most)} if begin + most < len(events) else {}
        return {"events": ordered[begin : begin + most], **rest}

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)
    return events, calls


def pages(calls):
    """How many pages of a history were asked for."""
    return sum(operation == "GetExecutionHistory" for operation, _ in calls)


def test_the_longest_history_is_read_to_its_end(longest_history, tmp_path):
    """25,000 events, all that Step Functions keeps, in pages of 1,000: each command ends, and says the end.

    https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    """
    events, calls = longest_history
    assert len(events) > 24_900
    where = ("--state-machine", MACHINE)
    assert " Heartbeat " in out_of("list", *where)
    assert pages(calls) == 1
    assert "States.Runtime" in out_of("status", "node-1.internal", *where, status=1)
    lines = out_of("history", "node-1.internal", *where).splitlines()
    assert lines[-1].endswith("== Failed: States.Runtime: The execution history is full.")
    assert pages(calls) < 80
    out_of("report", "node-1.internal", "--out", str(tmp_path / "r.html"), *where)
    assert "It stopped at Heartbeat: States.Runtime" in (tmp_path / "r.html").read_text()
    assert out_of("watch", "node-1.internal", *where, status=1).splitlines()[-1] == lines[-1]
    out_of("bundle", "node-1.internal", "--out", str(tmp_path / "b.zip"), *where)
    with zipfile.ZipFile(tmp_path / "b.zip") as bundle:
        assert len(json.loads(bundle.read("history.json"))["events"]) == len(events)


def test_the_longest_history_is_redriven_by_its_last_page(longest_history):
    """It needs the state that failed, which the last event names."""
    _, calls = longest_history
    said = out_of("redrive", "node-1.internal", "--state-machine", MACHINE)
    assert "Redriven: the drain of node-1.internal goes on at Heartbeat" in said
    assert pages(calls) == 1
    redriven = [arn for operation, arn in calls if operation == "RedriveExecution"]
    assert redriven == [FAILED[machine_of("stepdrain")]["executionArn"]]


def test_an_execution_of_another_region(account):
    """Its ARN says where it is."""
    arn = "arn:aws:states:us-east-1:123456789012:execution:stepdrain-DrainNode:i-1"
    assert run("status", arn, "--state-machine", MACHINE) == (
        2, f"Error: {arn} is in another region: add --region us-east-1.\n",
    )  # fmt: skip
    assert run("status", "arn:aws:ec2:x", "--state-machine", MACHINE)[0] == 2


def test_the_stack_of_the_folder(tmp_path):
    """What sam deploy has put there; what is typed comes first."""
    assert stack_of(None, tmp_path) == "stepdrain"
    (tmp_path / "samconfig.toml").write_text('[default.deploy.parameters]\nstack_name = "drains"\n')
    assert stack_of(None, tmp_path) == "drains"
    assert stack_of("typed", tmp_path) == "typed"
    (tmp_path / "samconfig.toml").write_text("stack_name")
    with pytest.raises(CommandError, match=r"samconfig.toml cannot be read \(.*\); give --stack."):
        stack_of(None, tmp_path)


LIST = (
    ["NODE", "INSTANCE", "STATUS", "STATE", "AGE", "TOOK"],
    [["ip-10-127-199-208.ec2.internal", "i-46455c8dd2c95b58e", "RUNNING", "WaitForPods", "1 min 2 s", "2 s"]],
)


def test_a_table_that_does_not_fit_is_a_block_for_each_row():
    """The terminal would break each line where it is full, in the middle of an id."""
    assert tables.lines(*LIST, 80) == [
        "ip-10-127-199-208.ec2.internal",
        "  INSTANCE i-46455c8dd2c95b58e  STATUS RUNNING  STATE WaitForPods  AGE 1 min 2 s",
        "  TOOK 2 s",
    ]
    assert tables.lines(*LIST, 40) == [
        "ip-10-127-199-208.ec2.internal",
        "  INSTANCE i-46455c8dd2c95b58e",
        "  STATUS RUNNING  STATE WaitForPods",
        "  AGE 1 min 2 s  TOOK 2 s",
    ]
    assert tables.lines(*LIST, 120)[0].split() == LIST[0]


def test_a_block_has_the_name_that_matters_on_top():
    """A plan is about pods, and its first column is a number."""
    pod = "default/nginx-demo-deployment-6b8f4c7d9-fnvv2"
    row = ["0", "evict", pod, "5s", "budget nginx allows one of four"]
    assert tables.lines(["WAVE", "VERDICT", "POD", "GRACE", "REASON"], [row], 40, "POD") == [
        pod,
        "  WAVE 0  VERDICT evict  GRACE 5s",
        "  REASON budget nginx allows one of four",
    ]


STATUS = [
    ("Node", "ip-10-171-193-162.ec2.internal"),
    ("Why", "default/forgotten-debug-pod: no controller would put it back"),
    ("", "  stepdrain undo ip-10-171-193-162.ec2.internal --sandbox"),
]


def test_a_status_is_wrapped_and_its_commands_can_be_pasted_at_40_columns():
    """A name stands alone where it does not fit beside its title; a shell puts a command together again."""
    assert tables.fields(STATUS, 40) == [
        "Node:",
        "  ip-10-171-193-162.ec2.internal",
        "Why:        default/forgotten-debug-pod:",
        "            no controller would put it",
        "            back",
        "  stepdrain undo \\",
        "    ip-10-171-193-162.ec2.internal \\",
        "    --sandbox",
    ]
    assert tables.fields(STATUS)[2] == f"{'':<12}{STATUS[2][1]}"


@pytest.mark.parametrize("columns", [*range(40, 130, 7), None])
def test_no_name_is_cut_or_broken_in_a_narrow_terminal(columns):
    """What is longer than the terminal alone goes beyond it."""
    for line in [*tables.lines(*LIST, columns), *tables.fields(STATUS, columns)]:
        assert columns is None or len(line) <= columns
    name, instance = "ip-10-101-160-95.eu-west-1.compute.internal", "i-0123456789abcdef0"
    text = "\n".join(tables.lines(["NODE", "INSTANCE", "REASON"], [[name, instance, "a b c " * 20]], columns))
    assert name in text
    assert instance in text


def test_what_is_said_on_stderr_is_wrapped_by_its_own_terminal(monkeypatch, capsys):
    """stdout may be a file meanwhile."""
    monkeypatch.setattr(tables, "width", lambda *, err=False: 14 if err else None)
    tables.say("  one two three", err=True)
    tables.say("  one two three")
    assert capsys.readouterr() == ("  one two three\n", "  one two\n  three\n")


def test_a_block_has_no_cell_without_a_text():
    """It was a column's name with nothing behind it."""
    assert tables.lines(["NODE", "STATUS", "SAID"], [["a-node", "ok", ""], ["b", "no", "x" * 15]], 24) == [
        "a-node", "  STATUS ok", "b", "  STATUS no", f"  SAID {'x' * 15}",
    ]  # fmt: skip


def test_a_reason_is_wrapped_where_there_is_room():
    """Under its own column."""
    assert tables.lines(["POD", "REASON"], [["a", "one two three four five six seven"]], 34) == [
        "POD  REASON",
        "a    one two three four five six",
        "     seven",
    ]


def test_a_pipe_that_is_closed_early_is_no_traceback():
    """``stepdrain … | head -1``."""
    script = f"{sys.executable} -m stepdrain_cli --help | head -1"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_is_130(monkeypatch, capsys):
    """As a shell shows it."""

    def interrupted(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["stepdrain", "list"])
    monkeypatch.setattr(type(cli), "invoke", lambda *_: interrupted())
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr().err.strip()) == (130, "stepdrain: interrupted")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_as_ctrl_c_does(monkeypatch, capsys, number):
    """Nothing was cleaned up, and a run did not say how far it came."""

    def hit(*_):
        os.kill(os.getpid(), number)
        time.sleep(10)

    monkeypatch.setattr(sys, "argv", ["stepdrain", "list"])
    monkeypatch.setattr(type(cli), "invoke", hit)
    # Whoever runs the tests may ignore it.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as ended:
            main()
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert (ended.value.code, capsys.readouterr().err.strip()) == (130, "stepdrain: interrupted")


def test_a_signal_that_is_ignored_stays_ignored(monkeypatch, capsys):
    """As by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setattr(sys, "argv", ["stepdrain", "list"])
        monkeypatch.setattr(type(cli), "invoke", lambda *_: os.kill(os.getpid(), signal.SIGHUP))
        main()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_status_line_is_never_empty():
    """Each line has a name or continues one."""
    assert drain_status.text([("Node", "n"), ("", "more")]) == "Node:       n\n            more"
