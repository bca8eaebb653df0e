"""--sandbox as a newcomer types it."""

import json
import os
import subprocess
import sys

import boto3
import pytest
import requests
import urllib3
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from click.testing import CliRunner

from stepdrain_cli.__main__ import cli
from stepdrain_cli.commands.options import SANDBOX_NOTE
from stepdrain_cli.commands.sandbox import PUT_ASIDE
from stepdrain_sandbox.aws import own_api
from stepdrain_sandbox.session import serving
from stepdrain_sandbox.world import OPERATOR_KEY, World


def test_the_sandbox_needs_nothing_and_touches_no_account(monkeypatch):
    """The command as a newcomer types it, in a world of its own, without credentials."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    result = CliRunner().invoke(cli, ["list", "--running", "--sandbox"])
    assert (result.exit_code, result.stderr) == (0, SANDBOX_NOTE + "\n")
    assert len(result.stdout.splitlines()) == 2


PROGRAM = """
import collections, json, sys
opened = collections.Counter()
sys.addaudithook(lambda event, given: opened.update([str(given[0])] if event == "open" else []))
from stepdrain_cli.__main__ import main
sys.argv = ["stepdrain", "list", "--running", "--sandbox"]
try:
    main()
finally:
    print(json.dumps(opened), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """The temporary folder of `stepdrain list --sandbox` in its own process, and how often it opened what."""
    folder = tmp_path_factory.mktemp("listed")
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stderr.splitlines()[-1])


def test_the_sandbox_leaves_nothing_in_the_folder_for_temporary_files(listed):
    """The emulator needs its private key as a file for a moment; it must not outlive the command."""
    assert list(listed[0].iterdir()) == []


def test_a_sandbox_parses_each_model_of_botocore_once(listed):
    """All endpoints and EC2's model were parsed four times: a sixth of the command's CPU time."""
    parsed = {path: times for path, times in listed[1].items() if "/botocore/data/" in path}
    assert any(path.endswith("/endpoints.json") for path in parsed)
    assert {path: times for path, times in parsed.items() if times > 1} == {}


def test_a_sandbox_that_is_terminated_leaves_no_files(tmp_path):
    """As where its terminal is closed: the cluster's private key and a kubeconfig stayed behind."""
    command = [sys.executable, "-m", "stepdrain_cli", "sandbox", "sh", "-c", "echo ready; exec sleep 30"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as sandbox:
        assert sandbox.stdout.readline() == "ready\n"
        assert list(tmp_path.iterdir())
        sandbox.terminate()
        said = sandbox.communicate(timeout=60)[1]
    assert (sandbox.returncode, said.splitlines()[-1]) == (130, "stepdrain: interrupted")
    assert list(tmp_path.iterdir()) == []


def test_a_served_sandbox_answers_about_its_stack_without_a_traceback(capfd, monkeypatch):
    """As in a shell where somebody has no STEPDRAIN_STATE_MACHINE: the stack says which it is."""
    with World(nodes=1) as world, serving(world) as variables:
        given = {**os.environ, **variables, "PYTHONPATH": os.pathsep.join(sys.path)}
        for name in ("STEPDRAIN_STATE_MACHINE", *PUT_ASIDE):
            given.pop(name, None)

        def typed(*words):
            command = [sys.executable, "-m", "stepdrain_cli", *words]
            done = subprocess.run(
                command, env=given, capture_output=True, text=True, timeout=120, check=False
            )
            return done.returncode, done.stdout, done.stderr

        assert typed("list") == (0, "", "No drains.\n")
        status, out, err = typed("list", "--stack", "nope")
        assert (status, out) == (2, "")
        assert err == (
            "Error: There is no stack nope in region eu-west-1; name yours with --stack, or the state "
            "machine with --state-machine ARN.\n"
        )
    assert "Traceback" not in capfd.readouterr().err


def test_what_the_embedded_cloudformation_lacks_is_refused_in_a_sentence():
    """As CloudFormation refuses an action that it does not know."""
    request = own_api.Request("cloudformation", "POST", "/", {}, b"Action=CreateStack")
    with World(nodes=1) as world:
        status, _, content = own_api.answer(world.aws.own_answers, request)
    assert status == 400
    assert b"<Code>InvalidAction</Code>" in content
    assert b"The embedded account does not answer CreateStack." in content


@pytest.fixture(scope="module")
def served():
    """A client for a service of a served account, by the requests that another process would send."""
    with World(nodes=1) as world, serving(world) as variables, pytest.MonkeyPatch.context() as patch:
        # As in another process: no call of this one's clients is answered before it becomes a request.
        patch.setattr(BaseClient, "_make_api_call", UNPATCHED)
        keys = {"aws_access_key_id": OPERATOR_KEY, "aws_secret_access_key": "sandbox"}
        url = variables["AWS_ENDPOINT_URL"]
        yield lambda service: boto3.client(service, region_name="eu-west-1", endpoint_url=url, **keys)


UNPATCHED = BaseClient._make_api_call


def test_a_served_account_answers_what_the_embedded_one_does(served):
    """Each protocol that is written here: JSON, REST, query; doctor and verify ask for all of these."""
    pattern, event = '{"source": ["aws.autoscaling"]}', '{"source": "aws.autoscaling", "detail-type": "x"}'
    event = json.dumps(
        {**json.loads(event), "id": "1", "account": "1", "time": "t", "region": "r", "resources": []}
    )
    assert served("events").test_event_pattern(EventPattern=pattern, Event=event)["Result"] is True
    limit = served("lambda").get_account_settings()["AccountLimit"]
    assert limit["ConcurrentExecutions"] == 1000
    stack = served("cloudformation").describe_stacks(StackName="stepdrain")["Stacks"][0]
    assert {output["OutputKey"] for output in stack["Outputs"]} >= {"StateMachineArn"}
    listed = served("cloudformation").list_stack_resources(StackName="stepdrain")["StackResourceSummaries"]
    ids = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in listed}
    shown = served("lambda").get_function_configuration(FunctionName=ids["FindNodeFunction"])
    assert shown["Environment"]["Variables"]["STEPDRAIN_CLUSTER"] == "demo"
    simulated = served("iam").simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::123456789012:role/{ids['FindNodeRole']}",
        ActionNames=["ec2:DescribeInstances", "ec2:TerminateInstances"],
    )["EvaluationResults"]
    assert [(one["EvalActionName"], one["EvalDecision"]) for one in simulated] == [
        ("ec2:DescribeInstances", "allowed"),
        ("ec2:TerminateInstances", "implicitDeny"),
    ]
    roles = {
        arn.split("/")[-1] for arn in served("eks").list_access_entries(clusterName="demo")["accessEntries"]
    }
    assert ids["FindNodeRole"] in roles
    answer = served("lambda").invoke(FunctionName=ids["LabelFunction"], Payload=b"{}")
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "InvalidEvent"
    alarms = served("cloudwatch").describe_alarms(AlarmNames=["x-SweepAbsentAlarm"])["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in alarms] == ["x-SweepAbsentAlarm"]
    with pytest.raises(ClientError, match="Function not found: nope") as refused:
        served("lambda").get_function_configuration(FunctionName="nope")
    # By the REST protocol the status is the error's own, and its name a header.
    shown = refused.value.response
    assert shown["Error"]["Code"] == "ResourceNotFoundException"
    assert shown["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_a_served_account_has_no_region_that_aws_has_not(served):
    """It used to cut the connection, with a traceback in the sandbox's terminal."""
    url = served("s3").meta.endpoint_url
    signed = "AWS4-HMAC-SHA256 Credential=k/20260101/nowhere/states/aws4_request"
    http = urllib3.request("POST", url, headers={"Authorization": signed}, retries=False)
    assert (http.status, b"There is no region nowhere." in http.data) == (400, True)


def test_a_served_account_says_which_service_it_has_not(served, monkeypatch):
    """A newcomer's aws command gets a sentence, and no traceback appears in the sandbox's terminal."""

    def absent(*_args, **_options):
        raise ModuleNotFoundError("No module named 'py_partiql_parser'", name="py_partiql_parser")

    monkeypatch.setattr(requests, "request", absent)
    with pytest.raises(ClientError) as refused:
        served("s3").list_buckets()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    url = served("s3").meta.endpoint_url
    signed = "AWS4-HMAC-SHA256 Credential=k/20260101/eu-west-1/s3/aws4_request"
    http = urllib3.request("GET", f"{url}/", headers={"Authorization": signed}, retries=False)
    assert http.status == 501
    assert b"The embedded account has no s3 (py_partiql_parser is not installed)." in http.data
