"""The manual says what the commands say, and the command line keeps its manners."""

import pytest
from click.testing import CliRunner
from stepdrain import VERSION

from stepdrain_cli import manual
from stepdrain_cli.__main__ import SUMMARIES, cli
from stepdrain_cli.terminal import tables


def test_the_manual_is_generated_from_the_help_texts():
    """docs/cli.md is committed."""
    assert manual.PAGE.read_text() == manual.text(), "docs/cli.md is stale: run make cli-docs"


@pytest.mark.parametrize("columns", [30, 40, 50, 59])
@pytest.mark.parametrize("name", ["", *SUMMARIES])
def test_no_line_of_a_help_text_is_wider_than_the_terminal(name, columns, monkeypatch):
    """click writes 50 columns at least, and a terminal of 40 broke them in the middle of words."""
    typed = [*name.split(), "--help"]
    whole = CliRunner().invoke(cli, typed, terminal_width=100).stdout
    monkeypatch.setenv("COLUMNS", str(columns))
    narrow = CliRunner().invoke(cli, typed).stdout
    # A word may be divided behind its hyphen.
    assert "".join(narrow.split()) == "".join(whole.split())
    assert [line for line in narrow.splitlines() if len(line) > columns and len(line.split()) > 1] == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("statsu", "There is no command statsu. Did you mean status or start?"),
        ("redrvie", "There is no command redrvie. Did you mean redrive?"),
        ("x" * 300, f"There is no command {'x' * 40}."),
        ("--nope", "No such option"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(typed, said):
    """At night nobody reads a list of twenty commands."""
    result = CliRunner().invoke(cli, [typed])
    assert (result.exit_code, result.stderr.splitlines()[-1].startswith(f"Error: {said}")) == (2, True), (
        result.stderr
    )


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_shell_can_complete(shell):
    """The script asks the command itself."""
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert "_STEPDRAIN_COMPLETE" in result.stdout


def test_the_version_is_told():
    """In bug reports."""
    assert CliRunner().invoke(cli, ["--version"]).stdout == f"stepdrain, version {VERSION}\n"


def test_no_command_writes_colours_or_markup_into_a_pipe(capsys, monkeypatch):
    """NO_COLOR, and texts with brackets as they are."""
    monkeypatch.setenv("NO_COLOR", "1")
    tables.show(["A"], [["[red]x[/red]"]])
    assert capsys.readouterr().out == "A\n[red]x[/red]\n"


@pytest.mark.parametrize("command", ["plan", "list", "status", "history", "doctor"])
def test_every_command_that_reads_has_json(command):
    """For programs."""
    assert "--json" in {
        option for parameter in cli.get_command(None, command).params for option in parameter.opts
    }
