"""Drains that wait: kubectl's schedule, the scenes, and how they are judged."""

import pytest

from bench.waiting import graces, judgement, measurement, scenes, virtual
from bench.waiting.kubectl_schedule import DrainFailed, Limiter, PodLoop, Request


def test_ten_requests_go_at_once_and_then_five_a_second():
    """client-go's token bucket; a second without a request gives five back."""
    limiter = Limiter()
    times = [limiter.goes_at(0.0) for _ in range(12)]
    assert times == pytest.approx([0.0] * 10 + [0.2, 0.4])
    assert limiter.goes_at(1.0) == pytest.approx(1.0)


def test_a_refused_eviction_is_asked_again_after_five_seconds():
    """pkg/drain: time.Sleep(5 * time.Second)."""
    loop = PodLoop(10.0)
    loop.answered(429, 10.1)
    assert (loop.request, loop.at) == (Request.EVICT, 15.1)


def test_an_accepted_eviction_is_followed_by_a_look_each_second():
    """The first at once; one that was late does not put off the next, since a ticker gives the times."""
    loop = PodLoop(0.0)
    loop.answered(201, 0.25)
    assert (loop.request, loop.at) == (Request.LOOK, 0.25)
    loop.answered(200, 1.75)
    assert loop.at == 2.25
    loop.answered(404, 2.5)
    assert loop.request is None


def test_a_pod_that_is_gone_needs_no_look():
    """404 to the eviction."""
    loop = PodLoop(0.0)
    loop.answered(404, 0.1)
    assert loop.request is None


@pytest.mark.parametrize("status", [403, 500, 503])
def test_any_other_answer_ends_the_command(status):
    """kubectl does not ask again after an outage."""
    with pytest.raises(DrainFailed, match=str(status)):
        PodLoop(0.0).answered(status, 0.1)


def test_kubectls_schedule_waits_for_the_next_of_its_five_seconds():
    """Replacements Ready after 22 s are used after 25: 3 s for each of seven, and what its requests take."""
    scene = scenes.tight_budget(22)
    assert virtual.kubectl(scene).done - scene.due_s == pytest.approx(21, abs=0.5)


def test_both_tools_drain_the_same_pods_and_stepdrain_does_not_wait_for_a_phase():
    """A budget that gives way after 22.5 s: kubectl asks at 25, Stepdrain at once."""
    scene = scenes.freed_budget(22.5)
    ours, theirs = virtual.stepdrain(scene, {}), virtual.kubectl(scene)
    assert (len(ours.gone), len(theirs.gone)) == (1, 1)
    assert ours.accepted[0] - 22.5 < 0.5
    assert theirs.accepted[0] == pytest.approx(25, abs=0.2)


def test_a_cold_function_takes_its_start_on_top():
    """EvictBatch after a long wait: the page says what that costs."""
    scene = scenes.freed_budget(400.5)
    warm, cold = virtual.stepdrain(scene, {}), virtual.stepdrain(scene, {"EvictBatch": 3.0})
    assert cold.accepted[0] - warm.accepted[0] == pytest.approx(3.0, abs=0.3)


def test_what_a_deadline_leaves_of_a_grace_is_judged_by_what_fits():
    """120 s of grace do not fit 120 s less the first three; 45 s do."""
    held = {"given_s": 44.0, "asked_s": 60.0, "ended_s": 104.0}
    assert graces.judged("force", 120, 45, held)["short_s"] == 1
    assert graces.judged("force", 120, 120, {**held, "given_s": 117.0})["short_s"] == 0
    assert graces.judged("interruption", 120, 120, {**held, "given_s": 112.0})["short_s"] == 0
    assert graces.judged("force", 120, 45, {})["short_s"] == 45


def a_cell(tool, late_s, **more):
    return {"tool": tool, "kind": scenes.TIGHT, "after_s": 22, "late_s": late_s, **more}


EMPTY = {"virtual": [], "real": [], "checked": [], "graces": [], "nights": []}
OUTAGES = [
    {"kind": "ordinary", "after_s": 29.0},
    {"kind": "ordinary", "after_s": 3.0},
    {"kind": "interrupted", "after_s": 6.0},
]


def test_targets_are_judged_beside_kubectl_and_by_the_worst_outage():
    """Half of kubectl's time behind a tight budget; 30 s after an outage, 5 before EC2 takes the instance."""
    cells = [
        a_cell(measurement.STEPDRAIN, 9.0),
        a_cell(measurement.COLD, 99.0),
        a_cell(measurement.KUBECTL, 20.0),
    ]
    found = judgement.targets({**EMPTY, "virtual": cells, "outages": OUTAGES})
    tight, ordinary, interrupted = [target for target in found if "pods" not in target.unit]
    assert (tight.figure, tight.limit, tight.met) == (0.45, 0.5, True)
    assert (ordinary.figure, ordinary.met) == (29.0, True)
    assert (interrupted.figure, interrupted.met) == (6.0, False)


def test_a_history_is_judged_by_the_larger_of_what_was_played_and_what_is_computed():
    """Neither may hide the other."""
    night = {"name": "polling", "limit": 21_000, "computed": 20_765, "played": 21_100}
    (target,) = [
        target
        for target in judgement.targets({**EMPTY, "outages": OUTAGES, "nights": [night]})
        if target.unit == "events"
    ]
    assert (target.figure, target.met) == (21_100, False)


def test_an_outage_that_was_not_measured_is_no_promise_kept():
    """No cell is not zero seconds."""
    found = judgement.targets({**EMPTY, "outages": []})
    assert not any(target.met for target in found if "outage" in target.name)
