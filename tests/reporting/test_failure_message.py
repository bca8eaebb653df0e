"""What a person is told, literally."""

import json
from datetime import UTC, datetime

import pytest
from stepdrain.reporting import links
from stepdrain.reporting.failure_message import LastState, failure, last_state

ARN = "arn:aws:states:eu-west-1:123456789012:execution:DrainNode:i-1234567890abcdef0-87654321"
START = 1767225600.0
DETAIL = {
    "executionArn": ARN,
    "name": "i-1234567890abcdef0-87654321",
    "status": "FAILED",
    "error": "DrainTimedOut",
    "cause": json.dumps(
        {
            "errorMessage": "The drain's deadline, 2026-01-01T01:00:00Z, is over. "
            "Last: None of 1 pods can be evicted now: shop/web-1: "
            "disruption budget web needs 2 healthy pods and has 2",
            "errorType": "DrainTimedOut",
        }
    ),
}
DOCUMENT = {
    "instanceId": "i-1234567890abcdef0",
    "cluster": "demo",
    "lifecycle": {"group": "workers", "hook": "stepdrain", "heartbeatTimeout": 1800},
    "node": {"name": "ip-10-0-1-12.eu-west-1.compute.internal", "uid": "u"},
    "round": {
        "heartbeatAt": "2026-01-01T00:50:00Z",
        "evicted": 3,
        "leaving": 0,
        "blocked": 1,
        "blockers": ["shop/web-1: disruption budget web needs 2 healthy pods and has 2"],
    },
}


def at(hour, minute):
    """A time of the day, as the client parses it."""
    return datetime(2026, 1, 1, hour, minute, tzinfo=UTC)


HISTORY = [
    {
        "id": 9,
        "timestamp": at(1, 0),
        "stateEnteredEventDetails": {"name": "Heartbeat", "input": json.dumps(DOCUMENT)},
    },
    {"id": 2, "timestamp": at(0, 0), "stateEnteredEventDetails": {"name": "FindNode", "input": "{}"}},
    {"id": 10, "executionFailedEventDetails": {}},
]


def test_what_a_drain_by_hand_lacks_is_not_told_as_none():
    """Behind FindNode each field is there, null where the drain has none."""
    document = {**DOCUMENT, "instanceId": None, "lifecycle": None, "cluster": None}
    last = LastState("EvictBatch", document, START, START)
    body = failure(DETAIL, last, "eu-west-1", START + 60).body
    assert "(instance none)" in body
    assert "Cluster:    unknown" in body
    assert "None" not in body.split("Why:")[0]


def test_a_failed_drain_tells_what_where_why_and_what_to_do():
    """The whole message, as it arrives in the mail."""
    message = failure(DETAIL, last_state(HISTORY, START), "eu-west-1", START + 3600)
    assert message.subject == (
        "Stepdrain: drain of ip-10-0-1-12.eu-west-1.compute.internal FAILED (DrainTimedOut)"
    )
    assert (
        message.body
        == f"""\
The drain of node ip-10-0-1-12.eu-west-1.compute.internal (instance i-1234567890abcdef0) ended as FAILED.

Group:      workers
Cluster:    demo
State:      Heartbeat
Error:      DrainTimedOut
Why:        The drain's deadline, 2026-01-01T01:00:00Z, is over. Last: None of 1 pods can be evicted now: \
shop/web-1: disruption budget web needs 2 healthy pods and has 2
Pods:       3 evicted, 0 leaving, 1 blocked; shop/web-1: disruption budget web needs 2 healthy pods and has 2
Time left:  30 minutes: at 2026-01-01T01:30:00Z Auto Scaling goes on with the instance anyway

What to do: https://github.com/OWNER/stepdrain/blob/main/docs/operations.md#draintimedout
Mend the cause, then redrive; the drain goes on from this state:
  aws stepfunctions redrive-execution --region eu-west-1 --execution-arn {ARN}
Look at it: https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/{ARN}"""
    )


def test_an_execution_that_never_entered_a_state_is_told_of_too():
    """It may be stopped at once; the message falls back on what the event itself carries."""
    detail = {"executionArn": ARN, "status": "ABORTED", "input": json.dumps({"instanceId": "i-1"})}
    body = failure(detail, None, "eu-west-1", START).body
    assert "(instance i-1) ended as ABORTED" in body
    assert "Error:      ABORTED" in body
    assert "no instance is held" in body


def test_an_instance_that_is_no_longer_held_is_said_to_be_so():
    """A redrive would then drain nothing that still lives."""
    last = LastState("EvictBatch", DOCUMENT, START, START + 600)
    refused = {**DETAIL, "error": "DrainRefused"}
    assert (
        "none: Auto Scaling went on at 2026-01-01T00:30:00Z"
        in failure(refused, last, "eu-west-1", START + 1900).body
    )


def test_the_time_left_counts_from_the_heartbeat_that_was_sent_before_the_drain_ended():
    """The record is older: a state that fails leaves none. Only at a deadline was one sent."""
    last = last_state(HISTORY, START)
    timed_out = failure(DETAIL, last, "eu-west-1", START + 3600).body
    denied = failure({**DETAIL, "error": "AwsDenied"}, last, "eu-west-1", START + 3600).body
    assert "Time left:  30 minutes" in timed_out
    assert "Time left:  20 minutes" in denied


@pytest.mark.parametrize(
    ("partition", "domain"),
    [("aws", "aws.amazon.com"), ("aws-cn", "amazonaws.cn"), ("aws-us-gov", "amazonaws-us-gov.com")],
)
def test_the_link_fits_the_partition(partition, domain):
    """A link that does not open is worth nothing in an incident."""
    assert f".console.{domain}/" in links.execution("r", f"arn:{partition}:states:r:1:execution:M:n")


def test_a_subject_is_shorter_than_sns_takes():
    """Less than 100 characters; node names can have 253."""
    last = LastState("EvictBatch", {"node": {"name": "n" * 253}}, 0, 0)
    detail = {"status": "FAILED", "error": "DrainTimedOut", "executionArn": ARN, "name": "x"}
    assert len(failure(detail, last, "eu-west-1", 0).subject) == 99


def test_a_partition_without_a_known_console_gets_no_link():
    """A wrong link costs more time at 3 a.m. than none."""
    detail = {"status": "FAILED", "executionArn": ARN.replace("arn:aws:", "arn:aws-iso:"), "name": "x"}
    assert "Look at it" not in failure(detail, None, "us-iso-east-1", 0).body
