"""What the documents name exists."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
MACHINES = sorted(ROOT.glob("statemachine/*.asl.json"))
NAMED = ROOT / "tests" / "steps"
PROSE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
SHOWN = [
    *PROSE,
    ROOT / "template.yaml",
    *sorted(ROOT.glob("docs/examples/**/*.yaml")),
    *sorted(ROOT.glob("stepdrain_cli/**/*.py")),
    *sorted(ROOT.glob("functions/stepdrain/reporting/*.py")),
]
"""Whatever shows a person a command to type."""
PATH = re.compile(r"`((?:[\w.<>*-]+/)+[\w.<>*-]+\.[a-z]+)`")
"""A relative path with a folder and an ending; URLs, image names and paths with spaces are none."""
MADE = ("out/", "dist/", "build/")
"""Folders that commands write into."""


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(tests/[\w/.]+)`", ARCHITECTURE))))
def test_every_test_that_the_architecture_names_exists(name):
    """A guarantee whose test is gone is only a promise."""
    assert (ROOT / name).exists()


def test_every_guarantee_names_a_test():
    """The last column of the table."""
    rows = re.findall(r"^\| G\d .*$", ARCHITECTURE, re.MULTILINE)
    assert [row for row in rows if "`tests/" not in row.rsplit("|", 2)[1]] == []
    assert len(rows) >= 9


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/operations.md"]
)
def test_every_linked_file_exists(document):
    """Links to files of this repository; what lies on the web is not asked for."""
    path = ROOT / document
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("document", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_in_backticks_exists(document):
    """A reader opens the files that the text names, from the root or from functions/stepdrain."""
    named = [name for name in PATH.findall(document.read_text()) if not name.startswith(MADE)]
    assert [name for name in named if not _exists(name)] == []


def _names(state):
    """Handler, decision and test of a state under its own name."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", state).lower()
    package = ROOT / "functions" / "stepdrain"
    return package / "steps" / f"{name}.py", package / "states" / f"{name}.py", NAMED / f"test_{name}.py"


def test_each_state_has_its_name_in_each_place_or_is_an_exception():
    """CONTRIBUTING.md promises where to look, and names every state whose files are called otherwise."""
    states = [name for path in MACHINES for name in json.loads(path.read_text())["States"]]
    otherwise = {state for state in states if not all(path.exists() for path in _names(state))}
    rows = re.findall(r"^\| (`[A-Z]\w+`(?:, `[A-Z]\w+`)*) \| .* \| .* \|$", CONTRIBUTING, re.MULTILINE)
    excepted = set(re.findall(r"`(\w+)`", " ".join(rows)))
    assert excepted == otherwise | {"StartDrain", "Sweep", "Notify"}


@pytest.mark.parametrize("document", SHOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_payload_is_sent_as_it_is_written(document):
    """Version 2 of the AWS CLI takes a blob for base64 unless it is said otherwise.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-sync.html
    """
    lines = document.read_text().replace("\\\n", " ").splitlines()
    sent = [line for line in lines if "aws lambda invoke" in line and "--payload" in line]
    assert [line for line in sent if "--cli-binary-format raw-in-base64-out" not in line] == []


def test_the_way_to_send_an_event_again_is_shown():
    """Else the test above could not fail."""
    assert any("aws lambda invoke" in document.read_text() for document in SHOWN)


def _exists(name):
    pattern = re.sub(r"<\w+>", "*", name)
    return any(any(folder.glob(pattern)) for folder in (ROOT, ROOT / "functions" / "stepdrain"))
