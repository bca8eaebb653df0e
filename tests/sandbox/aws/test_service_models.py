"""Clients of the embedded account are made once for all that shapes them, and never shared beyond that."""

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from stepdrain_sandbox.aws import service_models
from stepdrain_sandbox.aws.account import SURROUNDINGS


@pytest.fixture(autouse=True)
def _account(monkeypatch):
    for name, text in SURROUNDINGS.items():
        monkeypatch.setenv(name, text)
    with service_models.made_once():
        yield


def test_a_fresh_container_gets_the_client_that_is_there():
    """To make one costs more than what it is asked for."""
    assert boto3.Session().client("sqs") is boto3.Session().client("sqs")


def test_another_region_config_or_model_is_another_client(tmp_path):
    """Else a call would go elsewhere, or time out at another time."""
    own, session = Config(read_timeout=8), boto3.Session()
    core = boto3.Session()._session
    core.set_config_variable("data_path", str(tmp_path))
    made = [
        session.client("sqs"),
        session.client("sqs", region_name="us-east-1"),
        boto3.Session(region_name="us-east-1").client("sqs", config=own),
        session.client("sqs", config=own),
        boto3.Session(botocore_session=core).client("sqs"),
    ]
    assert len({id(client) for client in made}) == len(made)


def test_a_handler_of_one_session_is_not_called_for_another():
    """A session gets botocore's handlers, and its own stay its own."""
    called, sessions = [], (boto3.Session(), boto3.Session())
    sessions[0].events.register("a-test", lambda **_: called.append(0))
    for session in sessions:
        session.events.emit("a-test")
    assert called == [0]


def test_another_environment_is_another_client(monkeypatch):
    """Credentials and endpoints come from there."""
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")
    before = boto3.client("sqs")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert boto3.client("sqs").meta.endpoint_url == "http://127.0.0.1:9"
    assert boto3.client("sqs") is not before


def test_an_account_that_is_gone_is_not_remembered():
    """The next world begins empty."""
    with mock_aws():
        boto3.client("sqs").create_queue(QueueName="q")
    with mock_aws():
        assert "QueueUrls" not in boto3.client("sqs").list_queues()
