"""The embedded account answers as moto does, and begins empty, without the work that moto throws away."""

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.ec2.models import ec2_backends

from stepdrain_sandbox.aws import mocked, service_models
from stepdrain_sandbox.aws.account import ACCOUNT, REGION, SURROUNDINGS


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch):
    for name, text in SURROUNDINGS.items():
        monkeypatch.setenv(name, text)
    with service_models.made_once():
        yield


@pytest.mark.parametrize("kept", ["instances", "queues"])
def test_the_next_account_begins_empty(kept):
    """What is forgotten without being made anew is forgotten all the same."""
    found = []
    for _ in range(2):
        with mocked.account():
            ec2, sqs = boto3.client("ec2"), boto3.client("sqs")
            held = {
                "instances": ec2.describe_instances()["Reservations"],
                "queues": sqs.list_queues().get("QueueUrls", []),
            }
            found.append(held[kept])
            ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)
            sqs.create_queue(QueueName="q")
    assert found == [[], []]


def test_no_other_regions_backend_is_made():
    """Of each service moto asks one for its paths, the first time alone: it has three default networks."""
    for _ in range(2):
        with mocked.account():
            boto3.client("ec2").describe_instances()
            made = list(ec2_backends[ACCOUNT])
    assert made == [REGION]


@pytest.mark.parametrize("context", [mock_aws, mocked.account])
def test_an_error_is_the_services_own(context):
    """The answer passes through the same handlers."""
    with context(), pytest.raises(ClientError) as refused:
        boto3.client("sqs").get_queue_url(QueueName="none")
    assert refused.value.operation_name == "GetQueueUrl"
    assert refused.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize("context", [mock_aws, mocked.account])
def test_what_moto_does_not_have_is_not_sent_elsewhere(context):
    """Its own way finds that nobody answers at the address."""
    with context(), pytest.raises(ClientError) as refused:
        boto3.client("gamelift").list_builds()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_each_request_has_an_id_of_its_own():
    """Of letters and digits, as moto draws it."""
    with mocked.account():
        ids = [boto3.client("sqs").list_queues()["ResponseMetadata"]["RequestId"] for _ in range(2)]
    assert len(set(ids)) == 2
    assert all(len(drawn) == 52 and drawn.isalnum() for drawn in ids)
