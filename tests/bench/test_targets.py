"""Which figures miss their targets."""

import pytest

from bench import cold_start, cost, listing, one_node, scale
from bench.targets import Target, missed


@pytest.mark.parametrize(("figure", "met"), [(129, True), (130, True), (130.1, False)])
def test_a_limit_may_be_reached_and_not_passed(figure, met):
    """ "At most 130 requests" is what the target says."""
    target = Target("p", "requests", figure, 130, "")
    assert target.met is met
    assert missed([target]) == ([] if met else [target])


def a_cell(tool, above_s, **changed):
    return {
        "tool": tool,
        "pods": 110,
        "grace_s": 30,
        "above_s": above_s,
        "requests": 122,
        "attempts": 3,
        **changed,
    }


def by_name(targets):
    return {target.name: target for target in targets}


def test_time_is_judged_by_its_share_of_kubectls_in_the_same_run():
    """Bare seconds would judge the machine."""
    measured = {
        "kubectl": "v1.32",
        "alone": [],
        "compared": [a_cell("stepdrain", 1.0), a_cell("kubectl", 25.0)],
    }
    found = by_name(one_node.targets(measured))
    share = found["time above the grace as a share of kubectl's, 110 pods, grace 30 s"]
    assert (share.figure, share.limit, share.met) == (0.04, 0.05, True)


def test_each_attempt_of_a_waiting_state_may_cost_two_requests():
    """110 + 6 + 2 x 3 = 122."""
    measured = {"kubectl": None, "alone": [], "compared": [a_cell("stepdrain", 1.0, requests=123)]}
    (bound, most) = one_node.targets(measured)
    assert (bound.limit, bound.met) == (122, False)
    assert (most.limit, most.met) == (124, True)


def test_without_kubectl_no_share_is_judged():
    """The recorded figures are of another machine."""
    measured = {"kubectl": None, "alone": [], "compared": [a_cell("stepdrain", 1.0)]}
    assert not any("share" in target.name for target in one_node.targets(measured))


def test_only_what_is_deployed_with_bytecode_is_judged():
    """Without, nobody promises anything: the table shows what is lost."""
    compiled = {"function": "Cordon", "compiled": True, "init_cpu_s": 0.5, "peak_bytes": 70_000_000}
    measured = {"functions": [compiled, {**compiled, "compiled": False}]}
    assert [(t.figure, t.met) for t in cold_start.targets(measured)] == [(0.5, False), (70.0, True)]


def test_a_drain_among_many_must_not_cost_more():
    """43 requests against 42 are within 10 %, 47 events against 37 not within 25; no drain may be lost."""
    first = {"nodes": 1, "requests": 42, "events_most": 37, "succeeded": 1}
    last = {"nodes": 500, "requests": 500 * 43, "events_most": 47, "succeeded": 499}
    assert [t.met for t in scale.targets({"runs": [first, last]})] == [True, False, False]


def test_dollars_are_judged_for_drains_of_110_pods_and_for_an_idle_day():
    """What a smaller drain costs is no promise; a function that watches is paid for its memory."""
    dollars = {"10 pods": 9, cost.LARGE: 0.0007, cost.HOUR: 0.013, cost.LONGEST: 0.6}
    drains = [{"name": name, "dollars": sum_} for name, sum_ in dollars.items()]
    watching = {"WaitForPods": 208, "WaitForNode": 256}
    found = cost.targets({"drains": drains, "idle_day": {"dollars": 0.0}, "watching_mb": watching})
    assert [t.met for t in found] == [False, True, True, True, False, True]


def test_the_adapter_is_judged_by_its_share_of_the_models():
    """0.35 s of 6 s, and half of the memory."""
    ways = {
        "adapter": {"cpu_s": 0.35, "memory_bytes": 100},
        "models": {"cpu_s": 6.0, "memory_bytes": 200},
    }
    assert [round(t.figure, 3) for t in listing.targets({"ways": ways})] == [0.058, 0.5]
