"""What the documents name exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


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
    assert [one for one in targets if not (path.parent / one).exists()] == []
