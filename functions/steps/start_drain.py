"""StartDrain: from an event to an execution with a name, or to a logged reason why not."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger
from drain import connections, requests, settings, sweep
from drain.aws import Aws
from drain.errors import DrainError
from drain.requests import Ignored, Start

LOG = Logger(service="stepdrain")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``{"execution", "started"}`` or ``{"ignored": reason}``.

    Raises InvalidEvent or InvalidSettings, and Aws… errors: Lambda then tries twice more and
    hands the event to the dead-letter queue.
    """
    decision = _decide(event, settings.intake(os.environ), connections.aws())
    if isinstance(decision, Ignored):
        LOG.info("event ignored", reason=decision.reason)
        return {"ignored": decision.reason}
    for warning in decision.warnings:
        LOG.warning(warning)
    arn = os.environ["STEPDRAIN_STATE_MACHINE_ARN"]
    started = connections.aws().start_execution(arn, decision.name, decision.document)
    LOG.info("drain started" if started else "drain was started before", execution=decision.name)
    return {"execution": decision.name, "started": started}


def _decide(event: dict[str, Any], own: settings.IntakeSettings, account: Aws) -> Ignored | Start:
    if not isinstance(event, dict):
        requests.validate("lifecycle-action", event)
    if ignored := requests.foreign(event, own):
        return ignored
    requests.validate("lifecycle-action", event)
    group, hook = event["detail"]["AutoScalingGroupName"], event["detail"]["LifecycleHookName"]
    tags = account.group_tags(group)
    if ignored := requests.foreign_group(tags, own) or _swept_before(event, own, account):
        return ignored
    return requests.start(event, tags, account.hook(group, hook), own)


def _swept_before(event: dict[str, Any], own: settings.IntakeSettings, account: Aws) -> Ignored | None:
    name = requests.swept_name(event["detail"]["EC2InstanceId"])
    try:
        return sweep.covered(event, name, account.started_at(own.state_machine_arn, name))
    except DrainError as error:
        # A second drain of one instance changes nothing; one that is not started is lost.
        LOG.warning(f"Whether the sweep was faster is unknown: {error}")
        return None
