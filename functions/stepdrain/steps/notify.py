"""Notify: send a message when a drain has ended. It is no state: an EventBridge rule calls it.

The message is sent first. If the Event cannot be written on the Node afterwards, that is only logged.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from stepdrain import clock
from stepdrain.adapters import connections, invocation
from stepdrain.adapters.aws import Aws
from stepdrain.errors import DrainError
from stepdrain.intake import returns, settings
from stepdrain.reporting import failure_message, logs, node_conditions, status_change
from stepdrain.reporting.failure_message import Message, NodeReport
from stepdrain.reporting.node_events import record_event
from stepdrain.verification import rehearsal
from stepdrain.verification.findings import REHEARSALS

LOG = logs.logger()
FAILURES, LOSSES, EVERY_DRAIN = "failures", "losses", "every-drain"
"""Values of the parameter NotifyAbout, each with the ones before it."""
PATIENCE_S = 15
"""For which a call is made again that AWS throttles or does not answer."""


@invocation.handler
@rehearsal.instead
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``{"subject"}`` of what was sent, for an event ``Step Functions Execution Status Change``.

    ``{"ignored": reason}`` for a drain that Stepdrain itself has stopped, or that nobody asked to hear of.
    ``{"test": true}`` instead of an event sends a test message.

    Raises Aws… errors if it cannot be sent: Lambda then tries twice more and hands the event
    to the dead-letter queue.
    """
    account, runbook = connections.aws(), os.environ.get("STEPDRAIN_RUNBOOK_URL", "")
    if event.get("test"):
        stack, region = os.environ.get("STEPDRAIN_STACK", "stepdrain"), os.environ.get("AWS_REGION", "")
        return _sent(account, failure_message.trial(stack, region, runbook), stack)
    detail = event["detail"]
    if detail["name"].startswith(REHEARSALS):
        return {"ignored": f"{detail['name']} is a rehearsal."}
    with connections.patient(PATIENCE_S):
        detail, history = _read(detail, account)
    if detail.get("error") == returns.CALLED_OFF:
        return {"ignored": str(detail.get("cause"))}
    if detail["status"] == "SUCCEEDED":
        return _succeeded(detail, account, runbook)
    # The event's times are epoch milliseconds
    # (https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html).
    last = failure_message.last_state(history, detail["startDate"] / 1000)
    message = failure_message.failure(detail, last, clock.now(), runbook)
    answer = _sent(account, message, detail["name"])
    if sentence := failure_message.on_the_node(detail, last):
        _write_on(sentence, clock.now())
    return answer


def _succeeded(detail: dict[str, Any], account: Aws, runbook: str) -> dict[str, Any]:
    level = os.environ.get("STEPDRAIN_NOTIFY_ABOUT", FAILURES)
    message = None
    if level == EVERY_DRAIN:
        message = failure_message.success(detail, runbook)
    elif level == LOSSES:
        message = failure_message.loss(detail, runbook)
    if message is None:
        return {"ignored": f"The drain succeeded, and NotifyAbout is {level}."}
    return _sent(account, message, detail["name"])


def _sent(account: Aws, message: Message, name: str) -> dict[str, Any]:
    with connections.patient(PATIENCE_S):
        account.publish(os.environ["STEPDRAIN_TOPIC_ARN"], message.subject, message.body, message.chat)
    LOG.info("notification sent", execution=name, subject=message.subject)
    return {"subject": message.subject}


def _write_on(sentence: NodeReport, now: float) -> None:
    try:
        cluster = connections.kube(sentence.cluster)
    except DrainError as error:
        LOG.warning(f"Event DrainFailed could not be written: {error}")
        return
    wanted = settings.node_conditions(os.environ)
    for not_recorded in (
        record_event(cluster, sentence.node, "DrainFailed", sentence.message, sentence.occasion, now),
        node_conditions.set_conditions(
            cluster, sentence.node, node_conditions.State.FAILED, sentence.message, now, wanted=wanted
        ),
    ):
        if not_recorded:
            LOG.warning(not_recorded)


def _read(detail: dict[str, Any], account: Aws) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The event's detail with what it leaves out, and the history, which no other message needs."""
    complete = status_change.is_complete(detail)
    if complete and detail["status"] == "SUCCEEDED":
        return detail, []
    history = _history(detail, account)
    return detail if complete else _completed(detail, history, account), history


def _history(detail: Mapping[str, Any], account: Aws) -> list[dict[str, Any]]:
    try:
        return account.last_events(detail["executionArn"])
    except DrainError as error:
        # A message without the state is better than none.
        LOG.warning(f"The execution's history could not be read: {error}")
        return []


def _completed(
    detail: Mapping[str, Any], history: Sequence[Mapping[str, Any]], account: Aws
) -> dict[str, Any]:
    try:
        described = account.described_execution(detail["executionArn"])
    except DrainError as error:
        LOG.warning(f"What the event leaves out could not be read: {error}")
        described = {"cause": f"The event does not say it, and the execution could not be read: {error}"}
    return status_change.completed(detail, history, described)
