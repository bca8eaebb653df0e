"""Label: take the node out of its load balancers."""

from __future__ import annotations

from typing import Any

from stepdrain import attempt, clock
from stepdrain.adapters import connections, invocation
from stepdrain.document.step import Step, parse
from stepdrain.reporting import logs
from stepdrain.states import hold_instance
from stepdrain.states.label import exclude_from_load_balancers
from stepdrain.verification import rehearsal

LOG = logs.logger()


@invocation.handler
@rehearsal.instead
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``{"labelled": bool, "denied": str, "seconds": int}``.

    labelled    false if the Node object is gone (its pods may still be there), or the label was refused
    denied      why it was refused; empty if it was not
    seconds     until the first eviction, as the policy says; the state Settle waits so long. 0 for a
                drain that comes back to set the label again
    """
    step = parse(event)
    hold_instance.give_way(step, clock.now())
    labelled, denied = attempt.in_time(lambda: _labelled(step), step)
    if denied:
        # Cordon writes it on the Node; this function may only patch nodes.
        LOG.warning(f"the label was refused: {denied}", node=step.node.name)
    LOG.info("node labelled out of load balancers", node=step.node.name, labelled=labelled)
    seconds = 0 if step.under_way else step.policy.settle_time
    return {"labelled": labelled, "denied": denied, "seconds": seconds, "findings": []}


def _labelled(step: Step) -> tuple[bool, str]:
    return exclude_from_load_balancers(connections.kube(step.cluster), step.node, step.name)
