"""The storms' section of docs/performance.md, and what a storm must keep."""

from bench import storm

OUTCOME = {
    "cordon_p50_s": 6.0,
    "cordon_p99_s": 20.0,
    "cordon_last_s": 31.5,
    "done_s": 79.0,
    "finished": 499,
    "lost": 1,
    "twice": 0,
    "throttled": {"DescribeCluster": 3, "Invoke": 0},
    "peak_concurrency": 1000,
    "kube_requests_per_drain": 16.0,
}
FOUND = {storm.ALONE: {**OUTCOME, "kube_requests_per_drain": 15.0}, "500 by scale-in": OUTCOME}
PAGE = "# Performance\n\n## Many\n\nmany\n\n## A long list\n\nlist\n"


def section():
    return storm.section(FOUND, storm.targets(FOUND, storm.STORMS))


def test_each_figure_stands_beside_what_it_must_keep():
    """A missed target is shown as one."""
    missed = {one.name for one in storm.targets(FOUND, storm.STORMS) if not one.met}
    assert missed == {"500 by scale-in: lost", "500 by scale-in: last cordon"}
    assert "| 500 by scale-in: lost | 1.00 | 0 | instances | **no** |" in section()
    assert "| DescribeCluster 3 | 1,000 | 16.0 |" in section()


def test_the_section_goes_where_it_was_and_leaves_the_rest():
    """A storm takes an hour, and the page's other parts are measured elsewhere."""
    first = storm.with_section(PAGE, section())
    assert first.index("## Many") < first.index("## Storms") < first.index("## A long list")
    assert storm.section_of(first) == section()
    again = storm.with_section(first, section().replace("| 499 |", "| 500 |"))
    assert again == first.replace("| 499 |", "| 500 |")


def test_a_page_without_storms_has_no_section():
    """Where none was ever played."""
    assert storm.section_of(PAGE) == ""
