"""What messages call one thing, and what they call several."""

import ast
import re
from pathlib import Path

import pytest
from stepdrain.rules.reasons import SINGULAR, counted

ROOT = Path(__file__).parents[2]
SPEAKING = ("functions/stepdrain", "stepdrain_cli", "stepdrain_recorded")
"""What a person reads messages of."""
NOUNS = (
    "pod|node|volume|target|drain|group|instance|check|budget|request|workload|event|Event|subscriber|redrive|"
    "retry|retrie|minute|hour|message|function|eviction|execution|attempt|rule|cluster|deployment"
)
PLURAL = re.compile(rf" (?:\w+ )?(?:{NOUNS})s\b")
COUNT = re.compile(
    r"len\(|count|blocked|forced|evicted|leaving|staying|replicas|desired|expected|number|most|size|limit|done|late$"
)
LIMIT = "{len(names)} budgets"
"""Of two or more names, as the condition around it says."""


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 pods were"), (1, "1 pod was"), (2, "2 pods were"), (21, "21 pods were")]
)
def test_one_is_singular_and_its_verb_too(count, said):
    """Also none at all are several."""
    assert counted(count, "pod", "were") == said
    assert counted(count, "pod") == said.removesuffix(" were").removesuffix(" was")


def test_each_verb_has_a_singular():
    """A verb that is not in the table is a mistake that the first count of one would show."""
    assert all(counted(1, "pod", verb) == f"1 pod {single}" for verb, single in SINGULAR.items())
    with pytest.raises(KeyError):
        counted(1, "pod", "fly")


def sentences():
    for path in (path for folder in SPEAKING for path in sorted((ROOT / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield path, node


def test_no_message_puts_a_plural_behind_a_count_by_itself():
    """Ten messages said "1 pods". Whatever puts a number and a noun side by side asks ``counted``."""
    wrong = []
    for path, node in sentences():
        for number, text in zip(node.values, node.values[1:], strict=False):
            by_itself = isinstance(number, ast.FormattedValue) and isinstance(text, ast.Constant)
            if by_itself and PLURAL.match(text.value) and counts(number.value):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")
    assert [reason for reason in wrong if LIMIT not in reason] == []


def counts(value):
    """Whether an expression is a count: a ``len``, or a name that says so."""
    text = ast.unparse(value)
    return "counted(" not in text and bool(COUNT.search(text))
