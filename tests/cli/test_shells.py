"""Completion in real shells: the line of `stepdrain completion --help` is typed, and then a word and Tab."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from stepdrain_cli.__main__ import cli

LONGEST_S = 60
SHELLS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}
TYPED = [
    ("stepdrain stat", "us "),
    ("stepdrain plan --kubec", "onfig "),
    ("stepdrain plan --kubeconfig conf", "ig.yaml "),
    ("stepdrain report --from-file folder/his", "tory.json "),
    ("stepdrain runbook drainref", "DrainRefused "),
]
"""What is typed before Tab, and what the line ends with then."""


def line_for(shell):
    """The line that the help text gives for the shell."""
    text = " ".join(CliRunner().invoke(cli, ["completion", "--help"], terminal_width=200).stdout.split())
    return re.search(rf"{shell}, in \S+: `(.+?)`(?= |$)", text)[1]


@pytest.fixture
def surroundings(tmp_path):
    """A folder with files to complete, and an environment that finds the command and no start-up files."""
    (tmp_path / "config.yaml").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "history.json").write_text("")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return tmp_path, {"PATH": path, "HOME": str(tmp_path), "TERM": "dumb", "PS1": "> ", "LC_ALL": "C.UTF-8"}


class Terminal:
    """A shell on a pseudo-terminal; ``until`` waits for what it shows, no longer than LONGEST_S."""

    def __init__(self, words, folder, environment):
        self._end, shells = pty.openpty()
        ends = {"stdin": shells, "stdout": shells, "stderr": shells}
        self._shell = subprocess.Popen(words, cwd=folder, env=environment, start_new_session=True, **ends)
        os.close(shells)
        self._shown = ""

    def type(self, text):
        self._shown = ""
        os.write(self._end, text.encode())

    def until(self, text):
        deadline = time.monotonic() + LONGEST_S
        while text not in self._plain() and time.monotonic() < deadline:
            if select.select([self._end], [], [], 1)[0]:
                self._shown += os.read(self._end, 4096).decode(errors="replace")
        return self._plain()

    def _plain(self):
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", self._shown)

    def close(self):
        self._shell.kill()
        self._shell.wait()
        os.close(self._end)


@pytest.mark.parametrize("shell", SHELLS)
def test_bash_and_zsh_complete_commands_options_and_files(shell, surroundings):
    """zsh also where nothing has started its completion; a file's name was completed by none of them."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    terminal = Terminal(SHELLS[shell], *surroundings)
    try:
        terminal.type(f"{line_for(shell)}; echo re''ady\n")
        assert "ready" in terminal.until("ready")
        for typed, end in TYPED:
            terminal.type(f"{typed}\t")
            assert end in terminal.until(end), (typed, terminal._shown)
            # Ctrl-U leaves an empty line.
            terminal.type("\x15")
    finally:
        terminal.close()


def test_fish_completes_commands_options_and_files(surroundings):
    """By its own command for that."""
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    folder, environment = surroundings
    asked = "; ".join(f"complete -C '{typed}'" for typed, _ in TYPED)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"{line_for('fish')}; {asked}"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST_S, check=False,
    )  # fmt: skip
    offered = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert done.stderr == ""
    assert offered == ["status", "--kubeconfig", "config.yaml", "folder/history.json", "DrainRefused"]
