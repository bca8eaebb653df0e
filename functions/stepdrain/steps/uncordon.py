"""Uncordon: undo what an earlier drain of this node had set, and nothing else of it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from stepdrain import clock
from stepdrain.adapters import connections, invocation
from stepdrain.document.step import Step, parse
from stepdrain.reporting import drain_reports, logs
from stepdrain.states.uncordon import undo
from stepdrain.verification import rehearsal

LOG = logs.logger()
RUNNING = ("RUNNING", "PENDING_REDRIVE")


@invocation.handler
@rehearsal.instead
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``{"undone": [...]}``: of ``label`` and ``cordon`` what a drain of ours had set and is now undone.

    Nothing of a drain that runs, or that began after this arrival: it ends the node that is arriving here.
    """
    step = parse(event)
    cluster = connections.kube(step.cluster)
    undone, held = undo(cluster, step.node, partial(_standing, step))
    if held:
        LOG.warning("what a running drain has set is left alone", node=step.node.name, drain=held)
    if not_recorded := drain_reports.report_ignored_tags(cluster, step, clock.now()):
        LOG.warning(not_recorded)
    LOG.info("drain undone", node=step.node.name, undone=undone)
    return {"undone": undone, "findings": []}


def _standing(step: Step, drains: Collection[str]) -> list[str]:
    """Those of the drains whose marks must stand."""
    machine = os.environ.get("STEPDRAIN_STATE_MACHINE_ARN")
    if not machine:
        # Without a stack nobody but the caller drains.
        return []
    found = {name: connections.aws().execution(machine, name) for name in sorted(drains)}
    return [name for name, drain in found.items() if drain and _stands(drain, step)]


def _stands(drain: Mapping[str, Any], step: Step) -> bool:
    # An interruption may empty a node that has no pods yet in no time, minutes before EC2 takes it.
    return drain["status"] in RUNNING or clock.to_epoch_s(drain["startedAt"]) >= step.begun_at
