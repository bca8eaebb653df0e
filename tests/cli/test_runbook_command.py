"""stepdrain runbook: what each message names can be typed, and prints what a person can do."""

import subprocess
import sys

import pytest
from click.testing import CliRunner
from stepdrain import errors
from stepdrain.reporting import links

from stepdrain_cli.__main__ import cli
from stepdrain_sandbox.aws.deploy import ROOT

OURS = [name for name, kind in vars(errors).items() if isinstance(kind, type) and not kind.__subclasses__()]
"""Base classes are never raised, and have no section."""
OTHERS = [
    "TIMED_OUT",
    "ABORTED",
    "Stopped",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "States.Runtime",
    "NoOnesError",
]


def runbook(*arguments):
    result = CliRunner().invoke(cli, ["runbook", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("error", [*OURS, *OTHERS, *links.OUTCOMES])
def test_what_a_message_names_can_be_typed(error):
    """Where no page is published, messages and status name this command."""
    program, *typed = links.runbook(error).split()
    assert (program, typed[0]) == ("stepdrain", "runbook")
    status, text, _ = runbook(*typed[1:])
    assert status == 0
    assert text.startswith(f"### {links.heading(error)}\n")
    assert "```sh\n" in text


def test_a_section_ends_where_the_next_begins():
    """Those below it belong to it, and can be asked for alone, in any case of letters."""
    whole = runbook("DrainTimedOut")[1]
    assert "#### Targets that drain for long" in whole
    assert "### DrainRefused" not in whole
    part = runbook("volumes", "that", "stay", "attached")[1]
    assert part.startswith("#### Volumes that stay attached\n")
    assert "#### Targets" not in part


def test_without_an_error_all_sections_are_named():
    """The chapter's table of contents."""
    status, text, _ = runbook()
    assert status == 0
    assert {"DrainTimedOut", "ABORTED", "A function failed", "Instance gone"} <= set(text.splitlines())


def test_an_empty_word_is_none():
    """As of a variable that is not set."""
    assert runbook("") == runbook()


def test_another_word_is_one_sentence():
    """Not the section about what nobody foresaw."""
    assert runbook("nope") == (
        2, "", "Error: The runbook has no section about nope; `stepdrain runbook` lists them.\n",
    )  # fmt: skip


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_no_address_of_the_project_is_a_placeholder():
    """A person pastes it. What is not published is named by nobody."""
    asked = ["git", "grep", "-lE", "github\\.com/(OWNER|USER|ORG|example)/", "--", ".", ":!tests"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


def test_a_disk_that_is_full_is_one_sentence():
    """What a command prints is often kept in a file."""
    with open("/dev/full", "w") as full:
        typed = [sys.executable, "-m", "stepdrain_cli", "runbook", "DrainRefused"]
        done = subprocess.run(typed, check=False, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (
        2,
        "Error: The output cannot be written (No space left on device). Make room, then repeat.\n",
    )
