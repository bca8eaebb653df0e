"""Every command in every bad surrounding: one sentence, the right exit status, no traceback.

A command that is new has to say here what it is typed with, else the first test fails.
"""

import io
import json
import sys
from datetime import UTC, datetime
from functools import cache

import click
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.loaders import JSONFileLoader
from click.testing import CliRunner

from stepdrain_cli.__main__ import SUMMARIES, cli, main
from stepdrain_cli.terminal.exits import DONE, INTERRUPTED, NO_ACCESS, USAGE
from tests.cli.histories import begun
from tests.cli.test_bad_surroundings import MACHINE, as_boto, bare  # noqa: F401  Nothing is set, for each test.

ACCOUNT = {
    "doctor": ["--cluster", "demo"],
    "verify": [],
    "start": ["NODE", "--yes"],
    "list": [],
    "status": ["NODE"],
    "watch": ["NODE"],
    "history": ["NODE"],
    "redrive": ["NODE"],
    "stop": ["NODE", "--yes"],
    "undo": ["NODE", "--yes"],
    "report": ["NODE"],
    "bundle": ["NODE"],
}
"""What each command of an account is typed with."""
CLUSTER = {"plan": ["NODE"], "run": ["NODE"], "undo": ["NODE", "--local", "--yes"]}
ALONE = {"manifests", "runbook", "sandbox", "graph", "completion"}
"""These ask nobody."""
NODES = {name for name, words in {**ACCOUNT, **CLUSTER}.items() if "NODE" in words} | {"verify"}
OF_A_STACK = [name for name in ACCOUNT if name != "doctor"]
"""The doctor looks at an account before anything is installed, too."""
NAME = "ip-10-0-0-1.ec2.internal"


def words(table, name, node=NAME):
    return [name, *(node if word == "NODE" else word for word in table[name])]


def sentence(*typed):
    """The exit status and the only line of stderr; ``Error: `` is cut off."""
    result = CliRunner().invoke(cli, list(typed))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Error: "), lines
    assert result.stdout == ""
    return result.exit_code, lines[0].removeprefix("Error: ")


@pytest.fixture(scope="module", autouse=True)
def _models_are_read_once():
    """Each command makes a session, which reads the services' models: the most of what a cell costs."""
    with pytest.MonkeyPatch.context() as patch:
        read = cache(JSONFileLoader().load_file)
        patch.setattr(JSONFileLoader, "load_file", lambda _loader, path: read(path))
        yield


@pytest.fixture
def answers(monkeypatch):
    """Sets what each request to AWS is answered with; the region and some keys are there."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")

    def set_to(answer):
        monkeypatch.setattr(BaseClient, "_make_api_call", answer)

    return set_to


def refusing(code, message):
    def answer(client, operation, _parameters):
        action = f"{client.meta.service_model.signing_name}:{operation}"
        raise ClientError({"Error": {"Code": code, "Message": message.format(action)}}, operation)

    return answer


def test_every_command_stands_here():
    """Each is tried in each surrounding that it has."""
    assert {*ACCOUNT, *CLUSTER, *ALONE} == set(SUMMARIES)


@pytest.mark.parametrize("name", ACCOUNT)
def test_without_a_region(name):
    """boto3's own sentence does not say how to give one."""
    assert sentence(*words(ACCOUNT, name)) == (
        NO_ACCESS, "No region is set: give --region, or set AWS_REGION.",
    )  # fmt: skip


@pytest.mark.parametrize("name", ACCOUNT)
def test_without_credentials(name):
    """It says three ways to get some."""
    status, said = sentence(*words(ACCOUNT, name), "--region", "eu-west-1")
    assert (status, said[:32]) == (NO_ACCESS, "There are no AWS credentials: gi")


@pytest.mark.parametrize("name", ACCOUNT)
def test_with_a_profile_that_is_not_there(name):
    """As boto3 says it, and where the names are."""
    status, said = sentence(*words(ACCOUNT, name), "--profile", "nope")
    assert (status, "aws configure list-profiles" in said) == (NO_ACCESS, True)


@pytest.mark.parametrize("name", ACCOUNT)
def test_with_credentials_that_are_over(name, answers):
    """Nothing that another argument would change."""
    answers(refusing("ExpiredToken", "The security token included in the request is expired"))
    assert sentence(*words(ACCOUNT, name)) == (
        NO_ACCESS, "The AWS credentials are no longer valid (ExpiredToken): log in again.",
    )  # fmt: skip


@pytest.mark.parametrize("name", ACCOUNT)
def test_with_no_right_at_all(name, answers):
    """The first one that is missing is named; test_without_permission goes on from there."""
    answers(refusing("AccessDenied", "User: arn:x is not authorized to perform: {}"))
    status, said = sentence(*words(ACCOUNT, name))
    assert (status, said[:24]) == (NO_ACCESS, "You lack the permission ")


@pytest.mark.parametrize("name", ACCOUNT)
def test_without_an_answer(name, answers):
    """No network, or a proxy that is not named."""

    def absent(client, _operation, _parameters):
        raise EndpointConnectionError(endpoint_url=client.meta.endpoint_url)

    answers(absent)
    status, said = sentence(*words(ACCOUNT, name))
    assert (status, said[:28]) == (NO_ACCESS, "AWS gave no usable answer: C")


@pytest.mark.parametrize("name", OF_A_STACK)
def test_of_a_stack_that_is_not_there(name, answers):
    """The region is in the sentence: it is the usual reason."""
    answers(refusing("ValidationError", "Stack with id blue does not exist"))
    status, said = sentence(*words(ACCOUNT, name), "--stack", "blue")
    assert (status, said[:50]) == (USAGE, "There is no stack blue in region eu-west-1; name y")


@pytest.mark.parametrize("name", OF_A_STACK)
def test_a_stack_that_is_typed_overrules_the_variable_of_a_state_machine(name, answers, monkeypatch):
    """A sandbox, or a profile, sets that; whoever types a stack means the stack."""
    answers(refusing("ValidationError", "Stack with id blue does not exist"))
    monkeypatch.setenv("STEPDRAIN_STATE_MACHINE", MACHINE)
    status, said = sentence(*words(ACCOUNT, name), "--stack", "blue")
    assert (status, said[:50]) == (USAGE, "There is no stack blue in region eu-west-1; name y")


@pytest.mark.parametrize("name", OF_A_STACK)
def test_of_a_stack_that_is_anothers(name, answers):
    """It has other outputs."""
    answers(lambda *_: {"Stacks": [{"StackName": "shop", "Outputs": []}]})
    assert sentence(*words(ACCOUNT, name), "--stack", "shop") == (
        USAGE, "Stack shop has no output StateMachineArn: it is not Stepdrain's, or not ready.",
    )  # fmt: skip


@pytest.mark.parametrize("stack", ["green", "blue"])
@pytest.mark.parametrize("name", OF_A_STACK)
def test_of_two_stacks_the_one_that_is_named_is_asked(name, stack, answers):
    """Whatever a command sends names that stack or its state machine, and never the other one's."""
    asked = []

    def answer(client, operation, parameters):
        asked.append((operation, json.dumps(parameters)))
        if operation != "DescribeStacks":
            return refusing("AccessDenied", "User: arn:x is not authorized to perform: {}")(
                client, operation, parameters
            )
        return {"Stacks": [stack_called(parameters["StackName"])]}

    answers(answer)
    sentence(*words(ACCOUNT, name), "--stack", stack)
    other = {"green": "blue", "blue": "green"}[stack]
    assert [(operation, sent) for operation, sent in asked if other in sent] == []
    assert stack in asked[0][1]
    assert [sent for operation, sent in asked if operation == "ListExecutions" and stack not in sent] == []


def stack_called(name):
    """An installation, as CloudFormation describes it."""
    machine = MACHINE.replace("stepdrain-", f"{name}-")
    outputs = [{"OutputKey": "StateMachineArn", "OutputValue": machine}]
    return {"StackName": name, "Outputs": outputs, "Parameters": [], "StackStatus": "CREATE_COMPLETE"}


@pytest.mark.parametrize("name", ["status", "watch", "history", "redrive", "stop", "report", "bundle"])
def test_with_a_name_that_two_nodes_have_nothing_is_done(name, answers):
    """Drains of both are there; the sentence has both names."""
    both = [drain_of(node, instance) for node, instance in TWO.items()]

    def answer(_client, operation, parameters):
        if operation == "ListExecutions":
            return {"executions": [execution for execution, _ in both]}
        assert operation == "GetExecutionHistory", "nothing is changed, and nothing else is asked"
        return {
            "events": next(
                e for execution, e in both if execution["executionArn"] == parameters["executionArn"]
            )
        }

    answers(answer)
    assert sentence(*words(ACCOUNT, name, "web-1"), "--state-machine", MACHINE) == (
        USAGE, "web-1 can mean web-1.a.internal, web-1.b.internal: give the whole name or the instance id.",
    )  # fmt: skip


TWO = {"web-1.a.internal": f"i-{'1' * 17}", "web-1.b.internal": f"i-{'2' * 17}"}


def drain_of(node, instance):
    """A drain that runs, as ListExecutions shows it, and its history, the last event first."""
    arn = f"{MACHINE.replace(':stateMachine:', ':execution:')}:{instance}-12345678"
    began = datetime.fromtimestamp(1_767_225_600, UTC)
    document = json.dumps({"instanceId": instance, "node": {"name": node, "uid": "u"}})
    entered = {"name": "WaitForPods", "input": document}
    event = {"id": 2, "type": "TaskStateEntered", "timestamp": began, "stateEnteredEventDetails": entered}
    name = arn.rsplit(":", 1)[1]
    return {"executionArn": arn, "name": name, "status": "RUNNING", "startDate": began}, [event]


def test_with_a_name_that_two_instances_have_nothing_is_started(answers):
    """Their private DNS names begin with it."""

    states = {"FindNode": {"Parameters": {"FunctionName": "stepdrain-FindNode"}}}
    names = {"CLUSTER": "demo", "ACCOUNT_ID": "123456789012", "HOOK_NAME": "stepdrain"}
    variables = {f"STEPDRAIN_{name}": value for name, value in names.items()}
    known = {
        "DescribeStateMachine": {"definition": json.dumps({"States": states})},
        "GetFunctionConfiguration": {"Environment": {"Variables": variables}},
        "DescribeInstances": {
            "Reservations": [{"Instances": [{"InstanceId": instance} for instance in TWO.values()]}]
        },
    }
    answers(lambda _client, operation, _parameters: known[operation])
    assert sentence("start", "web-1", "--yes", "--state-machine", MACHINE) == (
        USAGE, f"web-1 can mean {', '.join(TWO.values())}: give the instance id.",
    )  # fmt: skip


@pytest.mark.parametrize("name", sorted(NODES))
@pytest.mark.parametrize("node", ["", "  ", "default/web-0", "a b", "$NODE", "<node>"])
def test_with_a_name_that_can_be_none(name, node):
    """Before anything is asked: no region is needed for this sentence."""
    table = ACCOUNT if name in ACCOUNT else CLUSTER
    typed = [name, node] if name == "verify" else words(table, name, node)
    status, said = sentence(*typed)
    assert (status, "`kubectl get " in said) == (USAGE, True)


@pytest.mark.parametrize("name", sorted(NODES - {"verify", "watch", "redrive", "report"}))
def test_without_a_name(name):
    """Click's own sentence, with the usage above it."""
    result = CliRunner().invoke(cli, [name])
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (USAGE, "Error: Missing argument 'NODE'.")


@pytest.mark.parametrize("name", SUMMARIES)
def test_with_an_option_that_it_does_not_have(name):
    """Also `sandbox`, which hands words on to the command that it runs."""
    if name == "sandbox":
        pytest.skip("what stands behind sandbox is another command's")
    result = CliRunner().invoke(cli, [name, "--nope"])
    assert (result.exit_code, "No such option" in result.stderr) == (USAGE, True)


@pytest.mark.parametrize("name", CLUSTER)
def test_without_a_kubeconfig(name, monkeypatch, tmp_path):
    """And with one that is nowhere."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    status, said = sentence(*words(CLUSTER, name))
    assert (status, "kubeconfig" in said.lower() or "KUBECONFIG" in said) == (USAGE, True)
    status, said = sentence(*words(CLUSTER, name), "--kubeconfig", str(tmp_path / "nope"))
    assert (status, str(tmp_path / "nope") in said) == (USAGE, True)


@pytest.mark.parametrize("name", ACCOUNT)
def test_ctrl_c_in_the_middle(name, answers, monkeypatch, capsys):
    """130, as a shell shows it, wherever it comes."""

    def interrupted(*_):
        raise KeyboardInterrupt

    answers(interrupted)
    monkeypatch.setattr(sys, "argv", ["stepdrain", *words(ACCOUNT, name)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr().err.strip()) == (INTERRUPTED, "stepdrain: interrupted")


@pytest.mark.parametrize("name", OF_A_STACK)
@pytest.mark.parametrize(
    ("machine", "sentence_of_it"),
    [
        ("nope", "nope is not the ARN of a state machine (arn:aws:states:REGION:ACCOUNT:stateMachine:NAME)"),
        (MACHINE, f"State machine {MACHINE} is not in region us-east-1: leave out --region"),
    ],
)
def test_with_a_state_machine_that_is_none_or_elsewhere(name, machine, sentence_of_it):
    """Before AWS is asked, which would say that it does not exist."""
    typed = (*words(ACCOUNT, name), "--state-machine", machine, "--region", "us-east-1")
    status, said = sentence(*typed)
    assert (status, said.startswith(sentence_of_it)) == (USAGE, True)


@pytest.mark.parametrize("name", [*sorted(NODES & ACCOUNT.keys() - {"start", "undo", "verify"}), "list"])
def test_with_a_state_machine_that_is_gone(name, answers):
    """An old variable in the environment."""
    answers(refusing("StateMachineDoesNotExist", "State Machine Does Not Exist: 'x'"))
    status, said = sentence(*words(ACCOUNT, name), "--state-machine", MACHINE)
    instead = "Name the stack with --stack, or another with --state-machine ARN."
    assert (status, said) == (USAGE, f"State Machine Does Not Exist: 'x'. {instead}")


EMPTY = [
    (name, option)
    for name in SUMMARIES
    for parameter in cli.get_command(None, name).params
    if isinstance(parameter, click.Option) and not parameter.is_flag and not parameter.multiple
    and not isinstance(parameter.type, click.Choice | click.IntRange | click.FloatRange)
    for option in parameter.opts
]  # fmt: skip


@pytest.mark.parametrize(("name", "option"), EMPTY)
def test_an_option_that_is_given_empty_is_refused(name, option, answers):
    """As of a variable that is not set: another account, stack or cluster would have been worked on."""
    answers(refusing("Nobody", "asks"))
    table = next((table for table in (ACCOUNT, CLUSTER) if name in table), {name: []})
    status, said = sentence(*words(table, name), option, "")
    assert (status, said) == (USAGE, f"{option} is empty, as of a variable that is not set.")


class Closed(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, _text):
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize(
    "typed", [["manifests"], ["runbook"], ["graph"], ["completion", "bash"], ["--help"]], ids=" ".join
)
def test_output_that_is_closed_early(typed, monkeypatch, capfd):
    """``stepdrain … | head``: click ends it, silently; what a command prints goes through the same place."""
    closed_early(typed, monkeypatch, capfd)


@pytest.mark.parametrize("name", ["list", "status", "history"])
def test_output_of_an_account_that_is_closed_early(name, answers, monkeypatch, capfd):
    """What AWS says and what the pipe says are two things."""
    execution, _ = drain_of("node-1.internal", TWO["web-1.a.internal"])
    events = as_boto(begun().enter("WaitForPods").events)

    def answer(_client, operation, parameters):
        if operation == "DescribeInstances":
            return {"Reservations": []}
        if operation == "GetExecutionHistory":
            return {"events": events[::-1] if parameters.get("reverseOrder") else events}
        if operation == "DescribeCluster":
            return refusing("ResourceNotFoundException", "No cluster.")(_client, operation, parameters)
        return {"executions": [execution], **execution}

    answers(answer)
    closed_early([*words(ACCOUNT, name, "node-1"), "--state-machine", MACHINE], monkeypatch, capfd)


def closed_early(typed, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["stepdrain", *typed])
    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capfd.readouterr().err) == (DONE, "")
