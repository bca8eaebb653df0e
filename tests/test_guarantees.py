"""Each guarantee has a test that quotes it, and a row of the table that leads there.

A guarantee without a test that can fail is a wish.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TABLE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
# The first words of each guarantee, as a docstring has to quote them.
QUOTED = {
    "G1": "Order",
    "G2": "Only the Eviction API",
    "G3": "DaemonSet pods",
    "G4": "`CompleteLifecycleAction` is sent exactly when nothing evictable is left",
    "G5": "A failed drain stops at the state that failed",
    "G6": "No lifecycle event is lost",
    "G7": "One event delivered twice is one execution",
    "G8": "The longest drain that Auto Scaling allows (48 h)",
    "G9": "No secret and no token is ever logged",
    "G10": "A workload that is rolled instead of evicted",
}


def docstrings_of_tests(path):
    """The docstring of each test function in a file, on one line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield re.sub(r"\s+", " ", ast.get_docstring(node) or "")


def quoting(guarantee, files):
    return [
        path
        for path in files
        if any(f"{guarantee} {QUOTED[guarantee]}" in text for text in docstrings_of_tests(path))
    ]


def rows(guarantee):
    return [line for line in TABLE.splitlines() if line.startswith(f"| {guarantee} |")]


@pytest.mark.parametrize("guarantee", QUOTED)
def test_a_test_of_the_table_quotes_the_guarantee(guarantee):
    """guarantee → mechanism → test: the way must lead to a test that says what it proves."""
    named = re.findall(r"`(tests/[\w/]+\.py)`", " ".join(rows(guarantee)))
    assert named, f"docs/architecture.md names no test for {guarantee}."
    files = [ROOT / name for name in named]
    assert [name for name in files if not name.exists()] == []
    assert quoting(guarantee, files), f"No test of {named} quotes {guarantee}: {QUOTED[guarantee]}"


@pytest.mark.parametrize("guarantee", QUOTED)
def test_the_table_names_code_that_exists(guarantee):
    """A mechanism that was renamed leaves a row that leads nowhere."""
    named = re.findall(r"`((?!tests/)[a-z_]+/[\w/*-]+\.\w+)`", " ".join(rows(guarantee)))
    for path in named:
        places = (ROOT, ROOT / "functions" / "stepdrain")
        assert any(list(place.glob(path)) for place in places), path
