"""Requests inside the embedded account say who calls what, without the work of a signature."""

import re

import boto3
import pytest
from botocore.exceptions import NoCredentialsError

from stepdrain_sandbox.aws import request_headers

CREDENTIAL = re.compile(r"Credential=AKIAEXAMPLE/\d{8}/eu-west-1/sqs/aws4_request")


class Sent(Exception):
    """Stops a request in the moment in which it would be sent."""


def session(**credentials):
    """A session of one access key in one region."""
    given = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "example"} | credentials
    return boto3.Session(region_name="eu-west-1", **given)


def headers_of(client):
    """The headers with which the client would ask for its queues."""

    def send(request, **_):
        raise Sent(request.headers)

    client.meta.events.register("before-send", send)
    with pytest.raises(Sent) as sent:
        client.list_queues()
    return {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in sent.value.args[0].items()
    }


def test_a_request_names_the_caller_the_region_and_the_service():
    """By the key the account knows the function, by the rest what is called."""
    with request_headers.shortened():
        headers = headers_of(session(aws_session_token="token").client("sqs"))
    assert CREDENTIAL.search(headers["Authorization"])
    assert headers["X-Amz-Security-Token"] == "token"


def test_the_headers_are_those_of_a_signed_request():
    """Nothing that a function sends is missing, save the signature."""
    signed = headers_of(session().client("sqs"))
    with request_headers.shortened():
        unsigned = headers_of(session().client("sqs"))
    assert signed.keys() == unsigned.keys()
    assert CREDENTIAL.search(signed["Authorization"])
    assert unsigned["User-Agent"] == signed["User-Agent"]
    assert unsigned["Authorization"].endswith("Signature=" + "0" * 64)
    assert not signed["Authorization"].endswith("Signature=" + "0" * 64)


def test_what_is_presigned_is_signed():
    """The token of a cluster is such an address, and the cluster checks what it says."""
    with request_headers.shortened():
        address = session().client("sts").generate_presigned_url("get_caller_identity")
    (signature,) = re.findall("X-Amz-Signature=([0-9a-f]{64})", address)
    assert len(set(signature)) > 1


def test_without_credentials_nothing_is_sent(monkeypatch):
    """As outside: the error is botocore's own."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with request_headers.shortened(), pytest.raises(NoCredentialsError):
        boto3.Session(region_name="eu-west-1").client("sqs").list_queues()
