"""docs/performance.md and docs/measurements.md from a small JSON."""

import pytest

from bench import figures, page
from bench.cold_start import by_package

CELL = {
    "tool": "stepdrain",
    "pods": 10,
    "grace_s": 2,
    "above_s": 0.4,
    "requests": 20,
    "bytes": 53_269,
    "by_verb": {"list pods": 2, "evict": 10},
    "engine_s": 0.07,
    "transitions": 7,
}
FUNCTIONS = [
    {
        "function": name,
        "compiled": True,
        "import_cpu_s": 0.2,
        "init_cpu_s": 0.22,
        "invoked_cpu_s": 0.3,
        "peak_bytes": 66_000_000,
        "ended": "response",
    }
    for name in page.DRAIN
]
WAITED = {
    "kind": "tight budget",
    "after_s": 22,
    "first_s": None,
    "late_worst_s": 20.0,
    "noticed_s": 0.0,
    "requests": 67,
}
RESULTS = {
    "machine": {"cores": 2, "processor": "x86_64", "python": "3.11.7", "date": "2026-11-24", "quick": False},
    "targets": [
        {"part": "p", "name": "requests", "figure": 20, "limit": 20, "unit": "", "note": "Why.", "met": True},
        {
            "part": "p",
            "name": "too slow",
            "figure": 0.07,
            "limit": 0.05,
            "unit": "×",
            "note": "",
            "met": False,
        },
        {
            "part": "waiting",
            "name": "a tight budget",
            "figure": 0.107,
            "limit": 0.5,
            "unit": "of kubectl's",
            "note": "Medians.",
            "met": True,
        },
    ],
    "one_node": {"kubectl": "v1.32.4", "compared": [CELL], "alone": [], "recorded": []},
    "cold_start": {"python": "3.13.0", "functions": FUNCTIONS, "contributors": {"botocore": 0.131}},
    "cost": {
        "drains": [],
        "months": [],
        "pod_month": 1.752,
        "idle_day": {"dollars": 0.0, "requests": 0},
        "idle_fixed": {"AWS::KMS::Key": 1.0},
        "idle_schedules": [],
    },
    "scale": {"pods": 30, "runs": []},
    "waiting": {
        "kubectl": True,
        "virtual": [
            {**WAITED, "tool": "stepdrain", "late_s": 1.9},
            {**WAITED, "tool": "stepdrain, cold", "late_s": 7.4},
            {**WAITED, "tool": "kubectl", "late_s": 17.5},
        ],
        "real": [],
        "checked": [],
        "graces": [],
        "outages": [],
        "nights": [],
    },
    "listing": {"pods": 1000, "bytes": 11_024_868, "ways": {}},
}


def verdicts(results=RESULTS):
    return page.render(results, "performance.md")


def tables(results=RESULTS):
    return page.render(results, "measurements.md")


def test_the_page_shows_figures_machine_date_and_command():
    """A figure without them cannot be checked by anybody."""
    text = verdicts()
    assert "on 2026-11-24: 2 cores" in text
    assert "`make bench && make bench-docs`" in text
    assert "| stepdrain | 10 | 2 | 0.4 | 20 |" in text
    assert "| stepdrain | 10 | 2 | 0.4 | 20 | 53,269 | 10 evict, 2 list pods |" in tables()
    assert "| botocore | 13% |" in tables()


def test_drains_that_wait_stand_first():
    """What hurts is what a reader decides by."""
    text = verdicts()
    assert "| a tight budget | 0.11 of kubectl's | 0.5 of kubectl's | yes |" in text
    assert text.index("a tight budget") < text.index("too slow |")
    assert "| tight budget | 22 | 1.90 | 17.50 |" in text
    assert "up to 5.50 s later, which is -10.10 s later than kubectl" in text


def test_a_missed_target_is_seen():
    """The page is made of whatever was measured, and says so."""
    text = verdicts()
    assert "**Missed:** too slow." in text
    assert "| p | requests | 20 | 20 |  | yes |" in text
    assert "| p | too slow | 0.07 | 0.05 | × | **no** |" in text


def test_a_limit_that_is_not_the_aim_says_why():
    """Beside the table, where a reader compares; a target without a reason has no line."""
    text = verdicts()
    assert "\n- requests: Why.\n" in text
    assert "- too slow" not in text


def test_a_run_without_kubectl_says_so():
    """The recorded figures must not be taken for measured ones."""
    without = {**RESULTS, "one_node": {**RESULTS["one_node"], "kubectl": None}}
    assert "kubectl was not installed" in tables(without)
    assert "kubectl was not installed" not in tables()


def test_a_figure_that_is_missing_is_an_error():
    """An empty cell would look like a zero."""
    with pytest.raises(Exception, match="pod_month"):
        tables({**RESULTS, "cost": {k: v for k, v in RESULTS["cost"].items() if k != "pod_month"}})


@pytest.mark.parametrize(
    ("value", "text"),
    [(11_024_868, "11,024,868"), (0.4, "0.4"), (0.0007, "0.00070"), (36.342, "36.34")],
)
def test_a_figure_has_as_many_digits_as_matter(value, text):
    """0.0007 dollars must not become 0.00."""
    assert figures.figure(value) == text


def test_imports_are_summed_by_package():
    """A package's modules are many; what can be left out is a package."""
    said = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:       100 |        100 |   botocore.session\n"
        "import time:       200 |        300 | botocore\n"
        "import time:       100 |        100 | json\n"
    )
    assert by_package(said) == {"botocore": 0.75, "json": 0.25}


def test_a_quick_run_says_so():
    """Its figures must not be taken for those of the whole benchmark."""
    assert "--quick" in verdicts({**RESULTS, "machine": {**RESULTS["machine"], "quick": True}})
    assert "--quick" not in verdicts()
