"""--sandbox as a newcomer types it."""

from click.testing import CliRunner

from stepdrain_cli.__main__ import cli
from stepdrain_cli.commands.options import SANDBOX_NOTE


def test_the_sandbox_needs_nothing_and_touches_no_account(monkeypatch):
    """The command as a newcomer types it, in a world of its own, without credentials."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    result = CliRunner().invoke(cli, ["list", "--running", "--sandbox"])
    assert (result.exit_code, result.stderr) == (0, SANDBOX_NOTE + "\n")
    assert len(result.stdout.splitlines()) == 2
