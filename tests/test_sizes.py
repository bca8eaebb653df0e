"""How long a function may be, in all that is Python here: CONTRIBUTING.md says it, and this counts."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("functions", "stepdrain_*", "statemachine", "bench", "layer", "release", "tests")
MOST_LINES = 50


def functions():
    """(file:name, lines) of each function."""
    for path in (path for folder in FOLDERS for path in ROOT.glob(f"{folder}/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                yield f"{path.relative_to(ROOT)}:{node.name}", lines


def test_no_function_is_longer_than_a_screen():
    """What does not fit on it is read in parts, so it is written in parts."""
    found = list(functions())
    assert len(found) > 1000
    assert [(name, lines) for name, lines in found if lines > MOST_LINES] == []
