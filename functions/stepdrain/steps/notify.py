"""Notify: tell somebody that a drain ended without success. No state: a rule on its status calls it.

The message goes first and counts alone: what cannot be written on the Node is logged.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from stepdrain import clock
from stepdrain.adapters import connections, invocation
from stepdrain.adapters.aws import Aws
from stepdrain.errors import DrainError
from stepdrain.intake import returns, settings
from stepdrain.reporting import failure_message, logs, node_conditions
from stepdrain.reporting.failure_message import LastState, NodeReport
from stepdrain.reporting.node_events import record_event

LOG = logs.logger()


@invocation.handler
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``{"subject"}`` of what was sent, for an event ``Step Functions Execution Status Change``.

    ``{"ignored": reason}`` for a drain that Stepdrain itself has stopped: nothing is to be done.

    Raises Aws… errors if it cannot be sent: Lambda then tries twice more and hands the event
    to the dead-letter queue.
    """
    detail, account = event["detail"], connections.aws()
    if detail.get("error") == returns.CALLED_OFF:
        return {"ignored": str(detail.get("cause"))}
    last = _last_state(detail, account)
    message = failure_message.failure(detail, last, event["region"], clock.now())
    account.publish(os.environ["STEPDRAIN_TOPIC_ARN"], message.subject, message.body)
    LOG.info("notification sent", execution=detail["name"], subject=message.subject)
    if sentence := failure_message.on_the_node(detail, last):
        _write_on(sentence, clock.now())
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


def _last_state(detail: Mapping[str, Any], account: Aws) -> LastState | None:
    try:
        history = account.last_events(detail["executionArn"])
    except DrainError as error:
        # A message without the state is better than none.
        LOG.warning(f"The execution's history could not be read: {error}")
        return None
    # The event's times are epoch milliseconds
    # (https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html).
    return failure_message.last_state(history, detail["startDate"] / 1000)
