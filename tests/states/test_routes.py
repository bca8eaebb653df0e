"""What comes next: the rows of the table in states.routes, and the moments that they turn on."""

from dataclasses import replace

import pytest
from stepdrain.clock import to_rfc3339
from stepdrain.document.progress import Progress
from stepdrain.document.step import parse
from stepdrain.rules.pods import Pod
from stepdrain.rules.policy import Policy
from stepdrain.rules.reasons import Reason
from stepdrain.states import routes

from tests.document.test_progress import T0, an_event

POD = Pod("shop", "web-1", "u", "Running", True, {}, {}, "", None, False, 600, 0.0, None)
UNTIL = T0 + 3600
"""The deadline of a drain by the default policy."""
ASK = UNTIL - 610
"""When a pod of 600 s of grace must be asked for it."""


def a_step(on_timeout="force", cordoned_s=0, **record):
    """A drain of an hour, and what it has recorded."""
    event = an_event(policy={"onTimeout": on_timeout}, cordon={"at": to_rfc3339(T0 + cordoned_s)})
    return replace(parse(event), progress=replace(Progress(0, T0), **record))


def timing(now, on_timeout="force"):
    return a_step(on_timeout).timing(now)


@pytest.mark.parametrize(("grace_period", "given_s"), [(-1, 600), (0, 0), (5, 5), (900, 900)])
def test_a_policy_may_replace_each_pods_grace(grace_period, given_s):
    """Any negative number leaves it alone; 0 is a grace."""
    assert routes.grace_of(POD, Policy(grace_period=grace_period)) == given_s


@pytest.mark.parametrize(
    ("on_timeout", "now", "deletion_at", "asked"),
    [
        ("force", ASK - 1, None, False),
        ("force", ASK, None, True),
        ("fail", ASK, None, False),
        ("force", ASK, UNTIL, False),
    ],
)
def test_under_force_a_pod_is_asked_while_its_grace_fits(on_timeout, now, deletion_at, asked):
    """Once: one that is terminating has been asked."""
    pod = replace(POD, deletion_at=deletion_at)
    assert routes.must_be_asked(pod, Policy(), timing(now, on_timeout)) is asked


@pytest.mark.parametrize(
    ("ends_s", "has_s", "left_s", "cut"),
    [
        # A whole second of difference is rounding.
        (1, 600, 200, False),
        (2, 600, 200, True),
        # It does not say how much it has.
        (2, None, 200, True),
        # It has less than its own already: only if the deadline has moved.
        (60, 300, 200, False),
        (61, 300, 200, True),
        (61, 599, 200, True),
        (2, 599, 200, False),
        # The API server ignores a grace that is not shorter.
        (61, 200, 200, False),
        (61, 201, 200, True),
    ],
)
def test_a_grace_that_ends_after_the_deadline_is_cut_once(ends_s, has_s, left_s, cut):
    """``ends_s`` after the deadline, ``left_s`` seconds before which we look."""
    pod = replace(POD, deletion_at=UNTIL + ends_s, deletion_grace_s=has_s)
    assert routes.must_be_shortened(pod, Policy(), timing(UNTIL - left_s)) is cut
    assert routes.must_be_shortened(pod, Policy(), timing(UNTIL - left_s, "fail")) is False


def test_a_pod_that_nobody_asked_to_go_has_no_grace_to_cut():
    """Its eviction gives it what is left."""
    assert routes.must_be_shortened(POD, Policy(), timing(UNTIL)) is False


@pytest.mark.parametrize(
    ("refused_s", "asked_s", "over_s"), [(None, 90, None), (50, None, None), (50, 90, 92), (0, 600, 620)]
)
def test_a_refusal_pauses_evictions_longer_the_older_it_is(refused_s, asked_s, over_s):
    """Without one there is no pause."""
    record = Progress(
        0,
        T0,
        refused_since=None if refused_s is None else T0 + refused_s,
        asked_at=None if asked_s is None else T0 + asked_s,
    )
    assert routes.pause_over_at(record) == (0.0 if over_s is None else T0 + over_s)


@pytest.mark.parametrize(
    ("cordoned_s", "asked_s", "looked_s"), [(600, 721, 761), (-1, 90, 120), (-1, None, 10)]
)
def test_rollouts_are_looked_at_by_the_age_of_the_cordon(cordoned_s, asked_s, looked_s):
    """A third of it after the last look; a redrive or a start after the cordon counts from there."""
    asked_at = None if asked_s is None else T0 + asked_s
    assert routes.rollouts_looked_at(a_step(cordoned_s=cordoned_s, asked_at=asked_at)) == T0 + looked_s


@pytest.mark.parametrize(
    ("asked_at", "now", "urgent"),
    [
        (None, ASK - 1, False),
        (None, ASK, True),
        # Asked before it had to be: that was for another reason.
        (ASK - 1, ASK, True),
        # Asked when it had to be, and refused: again after the pause.
        (ASK, ASK + 1, False),
        (ASK, ASK + 2, True),
        (ASK + 90, ASK + 92, False),
        (ASK + 90, ASK + 93, True),
    ],
)
def test_a_pod_is_urgent_once_its_grace_just_fits(asked_at, now, urgent):
    """And again after a pause where the API server has refused even that."""
    assert routes.urgent([POD], a_step(asked_at=asked_at), timing(now)) is urgent


@pytest.mark.parametrize(
    ("asked_at", "refused_since", "urgent"),
    [(None, None, True), (UNTIL - 201, UNTIL - 202, False), (UNTIL - 202, UNTIL - 203, True)],
)
def test_a_grace_to_cut_is_urgent_unless_evictions_pause(asked_at, refused_since, urgent):
    """A DELETE that is refused is not repeated without a pause."""
    late = replace(POD, deletion_at=UNTIL + 300, deletion_grace_s=600)
    step = a_step(asked_at=asked_at, refused_since=refused_since)
    assert routes.urgent([late], step, timing(UNTIL - 200)) is urgent


def test_one_urgent_pod_is_enough_and_none_is_not():
    """Of all that are still on the node."""
    later = replace(POD, grace_s=30)
    assert routes.urgent([later, POD], a_step(), timing(ASK))
    assert not routes.urgent([later], a_step(), timing(ASK))
    assert not routes.urgent([], a_step(), timing(ASK))


@pytest.mark.parametrize(
    ("on_timeout", "now", "coming"),
    [
        ("fail", T0 + 839, [T0 + 840, UNTIL]),
        ("fail", T0 + 840, [UNTIL]),
        ("force", T0, [T0 + 840, UNTIL + 60, ASK]),
        ("force", ASK, [UNTIL + 60]),
        ("force", UNTIL + 60, []),
    ],
)
def test_a_state_looks_again_at_the_next_moment_that_decides(on_timeout, now, coming):
    """Heartbeat, end, and under force the last moment for each pod that nobody has asked."""
    present = [POD, replace(POD, grace_s=30, deletion_at=UNTIL)]
    assert routes.moments(present, a_step(on_timeout), timing(now, on_timeout)) == coming


@pytest.mark.parametrize(
    ("policy", "record", "following"),
    [
        ({}, {}, "WaitForVolumes"),
        ({}, {"detached": True}, "WaitForTargets"),
        ({}, {"stuck": 1}, "WaitForTargets"),
        ({"waitForVolumes": False}, {}, "WaitForTargets"),
        ({"waitForVolumes": False, "waitForTargets": "off"}, {}, "CompleteAction"),
        ({"waitForTargets": "off"}, {}, "WaitForVolumes"),
        ({"waitForTargets": "off"}, {"detached": True}, "CompleteAction"),
    ],
)
def test_what_an_empty_node_waits_for(policy, record, following):
    """Its volumes, then its load balancers, each where the policy asks for it and it can come true."""
    step = parse(an_event(policy=policy))
    assert routes.after_last_pod(step, Progress(0, T0, **record)) == following


def test_load_balancers_are_asked_about_instances_only():
    """A node that is drained without one has no targets to look up."""
    step = replace(parse(an_event()), instance_id=None)
    assert routes.after_last_pod(step, Progress(0, T0, detached=True)) == "CompleteAction"


@pytest.mark.parametrize(
    ("now", "record", "needed"),
    [
        (T0 + 839, {}, False),
        (T0 + 840, {}, True),
        (UNTIL - 1, {"heartbeat_at": UNTIL - 100}, False),
        (UNTIL, {"heartbeat_at": UNTIL - 100}, True),
    ],
)
def test_a_wait_gives_way_to_a_heartbeat_that_is_due_and_to_the_end(now, record, needed):
    """Either is enough."""
    assert routes.heartbeat_needed(a_step("fail", **record).timing(now)) is needed


def test_a_record_on_its_way_to_heartbeat_names_what_is_awaited():
    """Or keeps what was known, where nothing was seen; what nothing holds is no reason to keep it."""
    record = Progress(0, T0, blockers=("a/b: held",))
    named = routes.to_heartbeat(record, "WaitForPods", [Reason("shop/web-1", "held")])
    assert (named.next, named.then, named.blockers) == ("Heartbeat", "WaitForPods", ("shop/web-1: held",))
    assert routes.to_heartbeat(record, "WaitForPods").blockers == ("a/b: held",)
    assert routes.to_heartbeat(record, "WaitForPods", []).blockers == ()


def test_an_error_that_lasts_is_named_once_behind_what_was_known():
    """At most 20 that were known, for the document's size."""
    step = replace(a_step(blockers=("timeout", "a/b: held")), state="WaitForVolumes")
    record = routes.unanswered(step, "timeout")
    assert (record.next, record.then) == ("Heartbeat", "WaitForVolumes")
    assert record.blockers == ("a/b: held", "timeout")
    many = tuple(f"a/{number}: held" for number in range(21))
    assert routes.unanswered(a_step(blockers=many), "timeout").blockers == (*many[:20], "timeout")


@pytest.mark.parametrize(
    ("record", "limited", "following"),
    [
        # It waits for pods, whose budgets are asked each hour whatever they say.
        ({"next": "WaitForPods", "asked_at": T0}, False, "WaitForPods"),
        ({"next": "WaitForPods", "asked_at": T0 - 1}, False, "EvictBatch"),
        ({"next": "WaitForPods", "asked_at": None}, False, "EvictBatch"),
        # A drain whose turn it is must say so.
        ({"next": "WaitForPods", "asked_at": T0}, True, "EvictBatch"),
        # Others go back to where they came from, which stands in ``then`` behind a state that gave way.
        ({"next": "Heartbeat", "then": "WaitForVolumes"}, False, "WaitForVolumes"),
        ({"next": "Heartbeat", "then": "WaitForVolumes"}, True, "WaitForVolumes"),
        ({"next": "Heartbeat", "then": "WaitForPods", "asked_at": T0}, False, "WaitForPods"),
        ({"next": "WaitForTargets", "then": "WaitForPods"}, False, "WaitForTargets"),
    ],
)
def test_where_a_heartbeat_leads_back_to(record, limited, following):
    """An hour less a second after T0."""
    assert routes.after_heartbeat(a_step(**record), T0 + 3599, limited=limited) == following
