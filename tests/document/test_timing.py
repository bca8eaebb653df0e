"""A drain's moments: when it ends, until when a pod's grace may last, when a heartbeat is due."""

from math import inf

import pytest
from stepdrain.clock import to_rfc3339
from stepdrain.document.progress import Progress
from stepdrain.document.step import parse

from tests.document.test_progress import T0, an_event


def timing(on_timeout="fail", taken_after_s=None, now=T0, **record):
    """Of a drain of an hour, from whose start EC2 takes the instance after so long."""
    ends_at = None if taken_after_s is None else to_rfc3339(T0 + taken_after_s)
    progress = Progress(0, T0, **record).to_document()
    return parse(an_event(policy={"onTimeout": on_timeout}, endsAt=ends_at, progress=progress)).timing(now)


@pytest.mark.parametrize(
    ("on_timeout", "taken_after_s", "ends_s", "grace_until_s"),
    [
        # Nothing forces: the policy takes effect at the deadline, and graces are whole.
        ("fail", None, 3600, inf),
        ("continue", None, 3600, inf),
        # A minute more for what was deleted to leave.
        ("force", None, 3660, 3600),
        ("force-or-fail", None, 3660, 3600),
        # Until EC2 takes the instance, and a grace ends 5 s before.
        ("force", 600, 600, 595),
        ("fail", 600, 600, 595),
        # "continue" lets go in time; what is evicted before gets the grace that EC2 leaves.
        ("continue", 600, 580, 595),
        # EC2's moment comes after the policy's deadline.
        ("fail", 7200, 3600, inf),
        ("force", 7200, 3660, 3600),
    ],
)
def test_when_a_drain_ends_and_until_when_a_grace_may_last(on_timeout, taken_after_s, ends_s, grace_until_s):
    """Seconds from the start of a drain that may take an hour."""
    found = timing(on_timeout, taken_after_s)
    assert (found.ends_at - T0, found.grace_until - T0) == (ends_s, grace_until_s)


@pytest.mark.parametrize(("tried_s", "due_s"), [(None, 840), (0, 840), (810, 840), (811, 841), (900, 930)])
def test_a_heartbeat_that_could_not_be_sent_is_due_half_a_minute_later(tried_s, due_s):
    """And never sooner than without the attempt."""
    tried_at = None if tried_s is None else T0 + tried_s
    assert timing(heartbeat_tried_at=tried_at).heartbeat_at == T0 + due_s
    assert not timing(heartbeat_tried_at=tried_at, now=T0 + due_s - 1).heartbeat_due
    assert timing(heartbeat_tried_at=tried_at, now=T0 + due_s).heartbeat_due


@pytest.mark.parametrize(
    ("on_timeout", "now_s", "over"), [("force", 3599, False), ("force", 3600, True), ("fail", 9999, False)]
)
def test_under_force_the_waits_after_the_last_pod_end_at_the_deadline(on_timeout, now_s, over):
    """Volumes and load balancers are not worth an instance that is late."""
    assert timing(on_timeout, now=T0 + now_s).waits_over is over
