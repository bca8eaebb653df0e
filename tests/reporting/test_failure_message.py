"""What a person reads, literally."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from stepdrain.reporting import links
from stepdrain.reporting.failure_message import LastState, failure, last_state, loss, trial

OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
NODE = "ip-10-0-1-12.eu-west-1.compute.internal"
ARN = "arn:aws:states:eu-west-1:123456789012:execution:stepdrain-DrainNode:i-1234567890abcdef0-87654321"
START = 1767225600.0
DETAIL = {
    "executionArn": ARN,
    "name": "i-1234567890abcdef0-87654321",
    "status": "FAILED",
    "error": "DrainTimedOut",
    "cause": json.dumps(
        {
            "errorMessage": "The drain's deadline, 2026-01-01T01:00:00Z, is over. "
            "Last: 1 pod cannot be evicted now: shop/web-1: "
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
    body = failure(DETAIL, last, START + 60).body
    assert "(instance none)" in body
    assert "Cluster:    unknown" in body
    assert "None" not in body.split("Why:")[0]


def test_a_failed_drain_tells_what_where_why_and_what_to_do():
    """The whole message, as it arrives in the mail."""
    message = failure(DETAIL, last_state(HISTORY, START), START + 3600)
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
Why:        The drain's deadline, 2026-01-01T01:00:00Z, is over. Last: 1 pod cannot be evicted now: \
shop/web-1: disruption budget web needs 2 healthy pods and has 2
Pods:       3 evicted, 0 leaving, 1 blocked; shop/web-1: disruption budget web needs 2 healthy pods and has 2
Time left:  30 minutes: at 2026-01-01T01:30:00Z Auto Scaling goes on with the instance anyway

Fix the cause, then let the drain continue from this state:
  stepdrain redrive {NODE} --region eu-west-1
Or go on with another policy:
  stepdrain redrive {NODE} --policy onTimeout=force --region eu-west-1
Or give the node back, with its label and cordon taken away:
  stepdrain undo {NODE} --region eu-west-1
Without the command line stepdrain:
  aws stepfunctions redrive-execution --region eu-west-1 --execution-arn {ARN}

Runbook:    stepdrain runbook DrainTimedOut
Console:    https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/{ARN}"""
    )


def test_an_execution_that_never_entered_a_state_is_told_of_too():
    """It may be stopped at once; the message falls back on what the event itself carries."""
    detail = {"executionArn": ARN, "status": "ABORTED", "input": json.dumps({"instanceId": "i-1"})}
    body = failure(detail, None, START).body
    assert "(instance i-1) ended as ABORTED" in body
    assert "Error:      ABORTED" in body
    assert "Time left:  unknown: a manual start fails before it is known" in body


def test_an_instance_that_is_no_longer_held_is_said_to_be_so():
    """A redrive would then drain nothing that still lives."""
    last = LastState("EvictBatch", DOCUMENT, START, START + 600)
    refused = {**DETAIL, "error": "DrainRefused"}
    assert "none: Auto Scaling went on at 2026-01-01T00:30:00Z" in failure(refused, last, START + 1900).body


def test_the_time_left_counts_from_the_heartbeat_that_was_sent_before_the_drain_ended():
    """The record is older: a state that fails leaves none. Only at a deadline was one sent."""
    last = last_state(HISTORY, START)
    timed_out = failure(DETAIL, last, START + 3600).body
    denied = failure({**DETAIL, "error": "AwsDenied"}, last, START + 3600).body
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
    assert len(failure(detail, last, 0).subject) == 99


def test_a_partition_without_a_known_console_gets_no_link():
    """A wrong link costs more time at 3 a.m. than none."""
    detail = {"status": "FAILED", "executionArn": ARN.replace("arn:aws:", "arn:aws-iso:"), "name": "x"}
    assert "Console:" not in failure(detail, None, 0).body


def test_the_chat_gets_the_same_as_a_custom_notification():
    """Amazon Q Developer drops a message that is not of its schema, without a word."""
    chat = json.loads(failure(DETAIL, last_state(HISTORY, START), START + 3600).chat)
    assert (chat["version"], chat["source"]) == ("1.0", "custom")
    assert (
        chat["content"]["title"]
        == f"The drain of node {NODE} (instance i-1234567890abcdef0) ended as FAILED."
    )
    assert chat["content"]["description"].startswith(
        "*Group:* workers\n*Cluster:* demo\n*State:* Heartbeat\n"
    )
    assert chat["content"]["nextSteps"][0] == (
        "Fix the cause, then let the drain continue from this state: "
        f"`stepdrain redrive {NODE} --region eu-west-1`"
    )
    assert chat["metadata"]["threadId"] == DETAIL["name"]


@pytest.mark.parametrize(
    ("error", "command"),
    [
        ("DrainRefused", f"  stepdrain redrive {NODE} --policy evictUnmanaged=true --region eu-west-1"),
        ("ClusterNotFound", f"  stepdrain start {NODE} --region eu-west-1"),
        ("LifecycleActionExpired", f"  stepdrain undo {NODE} --region eu-west-1"),
        ("KubeForbidden", f"  stepdrain redrive {NODE} --region eu-west-1"),
        ("KeyError", f"  stepdrain redrive {NODE} --region eu-west-1"),
    ],
)
def test_the_commands_are_those_that_help_with_this_error(error, command):
    """A redrive keeps its input, and holds no instance that is going."""
    body = failure({**DETAIL, "error": error}, last_state(HISTORY, START), START).body
    assert command in body.splitlines()
    assert ("redrive" in body) == (error not in ("ClusterNotFound", "LifecycleActionExpired"))


def test_a_stack_of_another_name_is_named_in_the_commands():
    """Else they would look for the wrong one."""
    detail = {**DETAIL, "executionArn": ARN.replace("stepdrain-DrainNode", "edge-DrainNode")}
    body = failure(detail, last_state(HISTORY, START), START).body
    assert f"  stepdrain undo {NODE} --region eu-west-1 --stack edge" in body.splitlines()


def test_the_installations_own_runbook_is_linked():
    """RunbookUrl."""
    body = failure(DETAIL, last_state(HISTORY, START), START, "https://wiki.example/drains").body
    assert "Runbook:    https://wiki.example/drains#draintimedout" in body.splitlines()


def test_a_published_projects_page_is_linked(monkeypatch):
    """One line says where it is published; the installation's own page comes before it."""
    monkeypatch.setattr(links, "REPOSITORY", "https://github.com/somebody/stepdrain")
    page = "https://github.com/somebody/stepdrain/blob/main/docs/operations.md"
    assert links.runbook("Lambda.Unknown") == f"{page}#a-function-failed"
    assert links.runbook() == page
    assert links.runbook("ABORTED", "https://wiki.example") == "https://wiki.example#aborted"


def test_a_repository_is_an_address_or_nothing():
    """A placeholder is a dead link at three in the morning."""
    assert re.fullmatch(r"(https://\S+/\S+[^/])?", links.REPOSITORY)


@pytest.mark.parametrize(
    ("completed", "end"),
    [
        ({"outcome": "drained", "reason": ""}, None),
        ({"outcome": "nothing to do", "reason": ""}, None),
        ({"outcome": "drained", "reason": "1 pods were deleted past their budgets: a/b."},
         "drained, 1 pods were deleted past their budgets: a/b."),
        ({"outcome": "released", "reason": "The deadline is over."}, "released, The deadline is over."),
        ({"outcome": "never joined", "reason": ""}, "never joined, no node was found"),
    ],
)  # fmt: skip
def test_a_success_is_a_loss_if_pods_paid_for_it(completed, end):
    """Let go with pods left, forced, or never a node."""
    detail = {**DETAIL, "status": "SUCCEEDED", "output": json.dumps({**DOCUMENT, "completed": completed})}
    message = loss(detail)
    assert (message is None) == (end is None)
    if message is not None:
        assert f"End:        {end}" in message.body.splitlines()


@pytest.mark.parametrize("outcome", links.OUTCOMES)
def test_a_message_about_a_drain_that_succeeded_leads_to_the_section_about_its_outcome(outcome):
    """And not to the first page, from which a reader would have to search."""
    completed = {"outcome": outcome, "reason": "Why it is one."}
    detail = {**DETAIL, "status": "SUCCEEDED", "output": json.dumps({**DOCUMENT, "completed": completed})}
    message = loss(detail, "https://wiki.example")
    section = links.OUTCOMES[outcome]
    assert f"Runbook:    https://wiki.example#{links.anchor(outcome)}" in message.body.splitlines()
    assert f"\n### {section}\n" in OPERATIONS
    assert f"Runbook:    stepdrain runbook {outcome}" in loss(detail).body.splitlines()


def test_a_drain_that_found_no_node_is_named_by_its_instance():
    """There is no node called none, and nothing is still to come."""
    document = {name: value for name, value in DOCUMENT.items() if name not in ("node", "round")}
    output = {**document, "completed": {"outcome": "never joined", "reason": ""}}
    message = loss({**DETAIL, "status": "SUCCEEDED", "output": json.dumps(output)})
    assert message.subject == (
        "Stepdrain: drain of i-1234567890abcdef0 is over (never joined, no node was found)"
    )
    assert message.body.splitlines()[:6] == [
        "The drain of instance i-1234567890abcdef0 is over.",
        "",
        "Group:      workers",
        "Cluster:    demo",
        "End:        never joined, no node was found",
        "Pods:       none was evicted",
    ]


def test_a_test_message_says_that_it_is_one():
    """Nobody should get up for it."""
    message = trial("stepdrain", "eu-west-1")
    assert message.subject == "Stepdrain: test message of stepdrain"
    assert message.body.startswith("This is a test: messages of this installation arrive here.")
