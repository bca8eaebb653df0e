"""The storms' section of docs/performance.md, and what a storm must keep."""

import pytest

from bench.storm.section import section, section_of, with_section
from bench.storm.storms import ALONE, HALF, STORMS, Storm, of_name
from bench.storm.targets import targets

EVICTED = "create pods/eviction"
OUTCOME = {
    "cordon_p50_s": 6.0,
    "cordon_p99_s": 20.0,
    "cordon_last_s": 31.5,
    "done_s": 79.0,
    "finished": 499,
    "lost": 1,
    "twice": 0,
    "failed": 0,
    "cut_short": 0,
    "throttled": {"DescribeCluster": 3, "Invoke": 0},
    "peak_concurrency": 1000,
    "kube_requests": {EVICTED: 2.0, "list pods": 14.0},
}
OF_ONE = {**OUTCOME, "done_s": 40.0, "kube_requests": {EVICTED: 2.0, "list pods": 13.0}}
FOUND = {ALONE: OF_ONE, "500 by scale-in": OUTCOME}
PAGE = "# Performance\n\n## Many\n\nmany\n\n## A long list\n\nlist\n"


def written():
    return section(FOUND, targets(FOUND, STORMS))


def judged(**changes):
    """The names of the targets that an outcome misses, without the storm's."""
    found = {**FOUND, "500 by scale-in": {**OUTCOME, "lost": 0, "cordon_last_s": 7.0, **changes}}
    return {target.name.split(": ")[1] for target in targets(found, STORMS) if not target.met}


def test_each_figure_stands_beside_what_it_must_keep():
    """A missed target is shown as one."""
    missed = {target.name for target in targets(FOUND, STORMS) if not target.met}
    assert missed == {"500 by scale-in: lost", "500 by scale-in: last cordon"}
    assert "| 500 by scale-in: lost | 1.00 | 0 | instances | **no** |" in written()
    assert "| 1,000 | DescribeCluster 3 |" in written()
    assert "| 500 by scale-in | 16.00 | 2.00 | 14.00 |" in written()


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({}, set()),
        ({"twice": 1}, {"drained twice"}),
        ({"failed": 1}, {"failed"}),
        ({"cut_short": 1}, {"not given their whole grace"}),
        ({"done_s": 100.0}, set()),
        ({"done_s": 100.1}, {"all done"}),
    ],
)
def test_a_storm_is_done_within_twice_one_alone_and_what_quotas_force(change, missed):
    """500 completions of which 100 are granted at once, and 20 a second, take 20 seconds but for the one
    within which they come; twice 40 of one alone is allowed."""
    assert judged(**change) == missed


def test_pods_that_are_evicted_again_are_told_from_requests_that_grow():
    """Both are judged: what a drain alone asks for, and what one alone with as many pods would."""
    again = {EVICTED: 5.0, "list pods": 13.0}
    assert judged(kube_requests=again) == {"requests a drain"}
    more = {EVICTED: 5.0, "list pods": 17.0}
    assert judged(kube_requests=more) == {"requests a drain", "requests a drain of as many pods"}


def test_a_storm_at_half_of_the_assumed_quotas_has_half_of_them():
    """What is published stays; half of what is assumed forces more."""
    half = of_name("2,000 by scale-in" + HALF, STORMS)
    assert half == Storm("scale-in", 2000, within_s=1.0, share=0.5)
    assert half.forced_s() == {"StartExecution": 7.0, "CompleteLifecycleAction": 194.0}
    assert STORMS["2,000 by scale-in"].forced_s() == {"StartExecution": 7.0, "CompleteLifecycleAction": 94.0}


def test_the_section_goes_where_it_was_and_leaves_the_rest():
    """A storm takes minutes, and the page's other parts are measured elsewhere."""
    first = with_section(PAGE, written())
    assert first.index("## Many") < first.index("## Storms") < first.index("## A long list")
    assert section_of(first) == written()
    again = with_section(first, written().replace("| 499 |", "| 500 |"))
    assert again == first.replace("| 499 |", "| 500 |")


def test_a_page_without_storms_has_no_section():
    """Where none was ever played."""
    assert section_of(PAGE) == ""


def test_what_polling_costs_is_not_judged_by_a_drain_that_watches():
    """It lists the pods again and again, alone as in a storm."""
    found = {ALONE: OF_ONE, "50 with 10 concurrent executions, Waiting=poll": OUTCOME}
    assert not [target for target in targets(found, STORMS) if "requests" in target.name]
