"""--sandbox as a newcomer types it."""

import os
import subprocess
import sys

from click.testing import CliRunner

from stepdrain_cli.__main__ import cli
from stepdrain_cli.commands.options import SANDBOX_NOTE


def test_the_sandbox_needs_nothing_and_touches_no_account(monkeypatch):
    """The command as a newcomer types it, in a world of its own, without credentials."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    result = CliRunner().invoke(cli, ["list", "--running", "--sandbox"])
    assert (result.exit_code, result.stderr) == (0, SANDBOX_NOTE + "\n")
    assert len(result.stdout.splitlines()) == 2


def test_the_sandbox_leaves_nothing_in_the_folder_for_temporary_files(tmp_path):
    """The emulator needs its private key as a file for a moment; it must not outlive the command."""
    command = [sys.executable, "-m", "stepdrain_cli", "list", "--running", "--sandbox"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, list(tmp_path.iterdir())) == (0, []), done.stderr
