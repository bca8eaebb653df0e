"""The runbook's sections and their commands, as a person types them."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PART = (ROOT / "docs" / "operations.md").read_text().split("## What an error means")[1].split("\n## ")[0]
SECTIONS = dict(re.findall(r"^#{3,4} (.+?)\n(.*?)(?=^#{3,4} |\Z)", PART, re.MULTILINE | re.DOTALL))
PLAYED = {}
"""By section: the test that plays it."""


def commands(section):
    """The section's commands, each as its words; comments and continued lines are resolved."""
    text = "\n".join(re.findall(r"```sh\n(.*?)```", SECTIONS[section], re.DOTALL)).replace("\\\n", " ")
    lines = (shlex.split(line, comments=True) for line in text.splitlines())
    return [words for words in lines if words]


def plays(*sections, quick=False):
    """Marks a test that plays these sections: cause, message, the section's commands, end.

    `make test` has the ``quick`` ones, `make test-all` the others, too.
    """

    def mark(test):
        PLAYED.update(dict.fromkeys(sections, test.__name__))
        return test if quick else pytest.mark.long(test)

    return mark
