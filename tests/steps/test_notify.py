"""Notify against an embedded account: a real execution's history in, a message on the topic out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from stepdrain.steps import notify

REGION = "eu-west-1"
INPUT = {
    "instanceId": "i-1234567890abcdef0",
    "cluster": "demo",
    "lifecycle": {"group": "workers", "hook": "stepdrain", "heartbeatTimeout": 1800},
    "node": {"name": "n1", "uid": "u"},
}
MACHINE = {
    "StartAt": "Cordon",
    "States": {
        "Cordon": {"Type": "Pass", "Next": "EvictBatch"},
        "EvictBatch": {"Type": "Fail", "Error": "DrainRefused", "Cause": "Pod shop/web-1 has no controller."},
    },
}


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account without anything in it."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        yield


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a queue that gets what is published to the topic."""
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="notifications")["TopicArn"]
    url: str = sqs.create_queue(QueueName="mailbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    monkeypatch.setenv("STEPDRAIN_TOPIC_ARN", topic)
    return url


def failed_execution() -> str:
    """The ARN of an execution that ended in EvictBatch."""
    return ended(MACHINE)


def ended(definition: dict[str, Any]) -> str:
    """The ARN of an execution of this state machine that has ended."""
    client = boto3.client("stepfunctions")
    role = "arn:aws:iam::123456789012:role/r"
    machine = client.create_state_machine(name="m", definition=json.dumps(definition), roleArn=role)
    arn: str = client.start_execution(
        stateMachineArn=machine["stateMachineArn"],
        name="i-1234567890abcdef0-87654321",
        input=json.dumps(INPUT),
    )["executionArn"]
    while client.describe_execution(executionArn=arn)["status"] == "RUNNING":
        pass
    return arn


def status_change(execution_arn: str) -> dict[str, Any]:
    """The event, with the fields that Notify reads."""
    return {
        "region": REGION,
        "detail": {
            "executionArn": execution_arn,
            "name": execution_arn.rsplit(":", 1)[1],
            "status": "FAILED",
            "startDate": 1767225600000,
            "error": "DrainRefused",
            "cause": "Pod shop/web-1 has no controller.",
            "input": json.dumps(INPUT),
        },
    }


def received(mailbox: str) -> dict[str, Any]:
    """The one message in the mailbox."""
    (message,) = boto3.client("sqs").receive_message(QueueUrl=mailbox)["Messages"]
    parsed: dict[str, Any] = json.loads(message["Body"])
    return parsed


def test_a_failed_execution_is_told_with_the_state_it_stopped_at(mailbox: str) -> None:
    """The event does not name the state; the history does."""
    answer = notify.handler(status_change(failed_execution()), None)
    message = received(mailbox)
    assert message["Subject"] == answer["subject"] == "Stepdrain: drain of n1 FAILED (DrainRefused)"
    assert "State:      EvictBatch" in message["Message"]
    assert "Pod shop/web-1 has no controller." in message["Message"]


def test_a_history_that_cannot_be_read_does_not_silence_the_message(mailbox: str) -> None:
    """Whoever is called can look the state up; whoever is not called cannot."""
    gone = f"arn:aws:states:{REGION}:123456789012:execution:m:i-1234567890abcdef0-87654321"
    notify.handler(status_change(gone), None)
    assert "ended as FAILED" in received(mailbox)["Message"]


def bare(event: dict[str, Any]) -> dict[str, Any]:
    """The event as it is of an execution that a key of the account's own encrypts."""
    left_out = ("input", "output", "error", "cause")
    detail = {name: value for name, value in event["detail"].items() if name not in left_out}
    return {**event, "detail": {**detail, "inputDetails": {"included": False}}}


def test_what_the_event_of_an_encrypted_execution_leaves_out_is_told_all_the_same(mailbox: str) -> None:
    """Error and cause are what the message is for."""
    notify.handler(bare(status_change(failed_execution())), None)
    message = received(mailbox)
    assert message["Subject"] == "Stepdrain: drain of n1 FAILED (DrainRefused)"
    assert "Pod shop/web-1 has no controller." in message["Message"]
    assert "Group:      workers" in message["Message"]


def test_an_execution_that_cannot_be_read_is_named_as_the_reason_why_the_message_is_short(
    mailbox: str,
) -> None:
    """And not that no cause was recorded, which nobody knows."""
    gone = f"arn:aws:states:{REGION}:123456789012:execution:m:i-1234567890abcdef0-87654321"
    notify.handler(bare(status_change(gone)), None)
    why = received(mailbox)["Message"].partition("Why:")[2].partition("\n")[0]
    assert "the execution could not be read: DescribeExecution answered ExecutionDoesNotExist" in why


def test_the_loss_of_an_encrypted_drain_is_told(mailbox: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its output is what says that pods were lost."""
    monkeypatch.setenv("STEPDRAIN_NOTIFY_ABOUT", "losses")
    output = {**INPUT, "completed": {"result": "CONTINUE", "outcome": "released", "reason": "2 pods left."}}
    event = bare(
        status_change(
            ended({"StartAt": "End", "States": {"End": {"Type": "Pass", "Result": output, "End": True}}})
        )
    )
    event["detail"]["status"] = "SUCCEEDED"
    notify.handler(event, None)
    assert received(mailbox)["Subject"] == "Stepdrain: drain of n1 is over (released, 2 pods left.)"


def succeeded(outcome: str, reason: str = "") -> dict[str, Any]:
    """The event of a drain that succeeded."""
    event = status_change(f"arn:aws:states:{REGION}:123456789012:execution:stepdrain-DrainNode:i-1")
    completed = {"result": "CONTINUE", "outcome": outcome, "reason": reason}
    event["detail"] |= {"status": "SUCCEEDED", "output": json.dumps({**INPUT, "completed": completed})}
    return event


@pytest.mark.parametrize(
    ("level", "event", "notified"),
    [
        ("failures", succeeded("released", "2 pods were left."), False),
        ("losses", succeeded("drained"), False),
        ("losses", succeeded("released", "2 pods were left."), True),
        ("every-drain", succeeded("drained"), True),
    ],
)
def test_what_is_told_of_drains_that_succeed_is_chosen(
    mailbox: str, monkeypatch: pytest.MonkeyPatch, level: str, event: dict[str, Any], notified: bool
) -> None:
    """NotifyAbout: a drain of a hundred a day is no news, one that lost pods may be."""
    monkeypatch.setenv("STEPDRAIN_NOTIFY_ABOUT", level)
    answer = notify.handler(event, None)
    assert ("subject" in answer) == notified
    if notified:
        assert received(mailbox)["Subject"].startswith("Stepdrain: drain of n1 is over (")


def test_a_test_message_can_be_sent(mailbox: str) -> None:
    """A subscription that nobody has confirmed shows before the first night."""
    assert notify.handler({"test": True}, None) == {"subject": "Stepdrain: test message of stepdrain"}
    assert received(mailbox)["Message"].startswith("This is a test")


def test_mail_gets_text_and_https_gets_the_notification_for_chats(mailbox: str) -> None:
    """One topic, a form for each protocol."""
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.sns.models import sns_backends

    notify.handler({"test": True}, None)
    (topic,) = sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics.values()
    sent = json.loads(topic.sent_notifications[0][1])
    assert sent["default"].startswith("This is a test")
    assert json.loads(sent["https"])["source"] == "custom"
