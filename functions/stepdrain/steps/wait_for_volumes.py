"""WaitForVolumes: are the volumes of the pods that have left detached?"""

from __future__ import annotations

from typing import Any

from stepdrain import attempt, clock
from stepdrain.adapters import invocation
from stepdrain.reporting import logs
from stepdrain.states.wait_for_volumes import wait_for_volumes
from stepdrain.verification import rehearsal


@invocation.handler
@rehearsal.instead
@logs.waits
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The drain's record with the state that comes next.

    Raises VolumesAttached or WatchUnavailable while some are attached.
    """
    return attempt.run(
        event,
        lambda step, cluster, until, unwatched: wait_for_volumes(step, cluster, clock, until, unwatched),
    )
