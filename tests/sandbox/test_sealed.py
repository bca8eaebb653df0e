"""No request of the embedded world, of a local drain or of the tests goes to a configured endpoint.

Who uses VPC endpoints or LocalStack has these variables set, and their keys would sign what is sent.
"""

import contextlib
import os
import socketserver
import threading

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from click.testing import CliRunner
from moto import mock_aws

from stepdrain_cli.__main__ import cli
from stepdrain_sandbox.clock import VirtualClock
from stepdrain_sandbox.demo.scenario import Choices, run
from stepdrain_sandbox.kube.server import KubeServer
from stepdrain_sandbox.world import node_manifest
from tests.conftest import SEALED

SERVICES = (
    "AUTO_SCALING",
    "EC2",
    "EKS",
    "EVENTBRIDGE",
    "SFN",
    "SQS",
    "SNS",
    "DYNAMODB",
    "STS",
    "LAMBDA",
    "CLOUDFORMATION",
)


class Listener(socketserver.ThreadingTCPServer):
    """A port at which nobody may knock; who does is counted, and hung up on."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), lambda *_: self.knocks.append(1))
        self.knocks = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def knocked(self):
        """Whether somebody has connected."""
        return bool(self.knocks)

    def close(self):
        """Stop listening."""
        self.shutdown()
        self.server_close()


@pytest.fixture
def listener():
    """The configured endpoint."""
    with contextlib.closing(Listener()) as made:
        yield made


def by_variables(url, _folder):
    """For all services, and for each."""
    return {"AWS_ENDPOINT_URL": url, **{f"AWS_ENDPOINT_URL_{service}": url for service in SERVICES}}


def by_files(url, folder):
    """A profile of the config file, for all services and for one."""
    services = f"[services all]\nsfn =\n  endpoint_url = {url}\n"
    profile = f"[profile vpc]\nservices = all\nendpoint_url = {url}\nregion = us-east-1\n"
    (folder / "config").write_text(f"[default]\nendpoint_url = {url}\n{profile}{services}")
    return {"AWS_CONFIG_FILE": str(folder / "config"), "AWS_PROFILE": "vpc"}


WAYS = [by_variables, by_files]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def configured(request, listener, tmp_path, monkeypatch):
    """The environment of somebody who has an endpoint, without what the suite itself sets."""
    for name in [variable for variable in os.environ if variable.startswith("AWS_")]:
        monkeypatch.delenv(name)
    keys = {"AWS_ACCESS_KEY_ID": "AKIAUSER", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
    for name, value in {**keys, **request.param(listener.url, tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return listener


@pytest.mark.parametrize("command", [["list"], ["doctor"]], ids=" ".join)
def test_a_command_with_sandbox_asks_nobody(command, configured):
    """The command makes its own session."""
    result = CliRunner().invoke(cli, [*command, "--sandbox"])
    assert result.exit_code in (0, 1), result.stderr
    assert not configured.knocked()


def test_the_demo_asks_nobody(configured):
    """PutRule and CreateCluster of it once did."""
    clock = VirtualClock()
    try:
        outcome = run(Choices(), lambda _line: None, clock, look_every_s=1)
    finally:
        clock.close()
    assert outcome.broken == []
    assert not configured.knocked()


def test_a_local_drain_asks_nobody(configured, tmp_path):
    """It once sent CreateStateMachine, signed with the user's own key."""
    clock = VirtualClock()
    with contextlib.closing(clock), KubeServer(clock) as kube:
        kube.cluster.create(node_manifest("n1", "i-0123456789abcdef0"))
        file = tmp_path / "kubeconfig"
        file.write_text(kube.kubeconfig())
        result = CliRunner().invoke(cli, ["run", "n1", "--kubeconfig", str(file)])
    assert result.exit_code == 0, result.stderr
    assert not configured.knocked()


def test_a_test_with_a_client_of_its_own_asks_nobody(configured, monkeypatch):
    """Without an embedded world around it: tests/conftest.py seals the suite."""
    for name, value in SEALED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        boto3.client("sns", region_name="eu-west-1").list_topics()
    assert not configured.knocked()


def test_an_open_client_would_knock(configured):
    """Else the tests above proved nothing: past moto, the request is on its way."""
    once = Config(retries={"total_max_attempts": 1})
    with mock_aws(config={"core": {"mock_credentials": False}}):
        client = boto3.Session(region_name="us-east-1").client("stepfunctions", config=once)
        with pytest.raises(BotoCoreError):
            client.list_state_machines()
    assert configured.knocked()
