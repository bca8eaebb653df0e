"""WaitForTargets: have the load balancers let go of the instance?"""

from __future__ import annotations

from typing import Any

from stepdrain import attempt, clock
from stepdrain.adapters import connections, instances, invocation
from stepdrain.reporting import logs
from stepdrain.states.wait_for_targets import wait_for_targets
from stepdrain.verification import rehearsal


@invocation.handler
@rehearsal.instead
@logs.waits
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The drain's record with the state that comes next; raises TargetsDraining while a target drains."""
    return attempt.run(
        event,
        lambda step, cluster, _until, _unwatched: wait_for_targets(
            step, cluster, instances.WithKeptTargetGroups(connections.aws()), clock.now()
        ),
    )
