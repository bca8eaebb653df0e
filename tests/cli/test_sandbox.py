"""--sandbox as a newcomer types it."""

import os
import subprocess
import sys

from click.testing import CliRunner

from stepdrain_cli.__main__ import cli
from stepdrain_cli.commands.options import SANDBOX_NOTE
from stepdrain_cli.commands.sandbox import PUT_ASIDE
from stepdrain_sandbox.aws import stack_api
from stepdrain_sandbox.session import serving
from stepdrain_sandbox.world import World


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


def test_a_served_sandbox_answers_about_its_stack_without_a_traceback(capfd, monkeypatch):
    """As in a shell where somebody has no STEPDRAIN_STATE_MACHINE: the stack says which it is."""
    with World(nodes=1) as world, serving(world) as variables:
        given = {**os.environ, **variables, "PYTHONPATH": os.pathsep.join(sys.path)}
        for name in ("STEPDRAIN_STATE_MACHINE", *PUT_ASIDE):
            given.pop(name, None)

        def typed(*words):
            command = [sys.executable, "-m", "stepdrain_cli", *words]
            done = subprocess.run(
                command, env=given, capture_output=True, text=True, timeout=120, check=False
            )
            return done.returncode, done.stdout, done.stderr

        assert typed("list") == (0, "", "No drains.\n")
        status, out, err = typed("list", "--stack", "nope")
        assert (status, out) == (2, "")
        assert err == (
            "Error: There is no stack nope in region eu-west-1; name yours with --stack, or the state "
            "machine with --state-machine ARN.\n"
        )
    assert "Traceback" not in capfd.readouterr().err


def test_what_the_embedded_cloudformation_lacks_is_refused_in_a_sentence():
    """As CloudFormation refuses an action that it does not know."""
    with World(nodes=1) as world:
        status, _, content = stack_api.answer(world.aws.described.answers(), b"Action=CreateStack")
    assert status == 400
    assert b"<Code>InvalidAction</Code>" in content
    assert b"The embedded account does not answer CreateStack." in content
