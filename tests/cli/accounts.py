"""Runs commands on one embedded account, in this process, with random names replaced by readable ones."""

import contextlib
import io
import re

import boto3
from click.testing import CliRunner
from rich.console import Console

from stepdrain_cli.__main__ import cli
from stepdrain_cli.accounts import account as accounts
from stepdrain_cli.commands import options
from stepdrain_cli.terminal import interaction, tables


def drawn_at(monkeypatch, columns, lines):
    """What a command draws on a terminal of that size; read it with ``pictures``."""
    terminal = Console(width=columns, height=lines, file=io.StringIO(), force_terminal=True, highlight=False)
    monkeypatch.setattr(tables, "console", lambda **_: terminal)
    return terminal.file


def pictures(drawn):
    """The lines of each picture that was drawn, one in the place of the other, as rich's Live does it."""
    each = re.split(r"\r\x1b\[2K(?:\x1b\[1A\x1b\[2K)*", drawn.getvalue())
    shown = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).splitlines() for text in each]
    return [lines for lines in shown if lines]


def use_account_of(world, monkeypatch, session=None, machine=lambda: None):
    """Replace the account behind --sandbox by that of a test's world.

    ``session``: who types, by default whoever may do everything; ``machine()``: another state machine's ARN.
    """

    @contextlib.contextmanager
    def account(flags=""):
        typing, clock = session or boto3.Session(region_name="eu-west-1"), world.clock
        # As in an account: what AWS refuses becomes a sentence.
        with accounts.translated_errors():
            yield accounts.Account(typing, machine() or world.machine, clock.now, clock.sleep, world, flags)

    monkeypatch.setattr("stepdrain_cli.accounts.account.on_sandbox", account)


class Typist:
    """Types commands. ``names`` maps readable names (``i-one``, ``node-one``) to real ones.

    ``shown``: what the last one put on a terminal, where stdout and stderr are one.
    """

    def __init__(self, world, monkeypatch, names):
        self.world, self.names = world, names
        self._monkeypatch, self.plain = monkeypatch, False
        self.shown = ""
        use_account_of(world, monkeypatch)
        monkeypatch.setattr(options, "SANDBOX_NOTE", "NOTE")

    def __call__(self, *arguments, answer=None):
        """Exit status, stdout and stderr of a command; ``answer`` is what somebody at a terminal types."""
        self._monkeypatch.setattr(interaction, "interactive", lambda: answer is not None)
        named = [self._real(argument) for argument in arguments]
        result = CliRunner().invoke(cli, [*named, "--sandbox"], input=answer)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        self.shown = self.readable(result.output)
        return result.exit_code, self.readable(result.stdout), self.readable(result.stderr)

    def _real(self, text):
        for name, real in self.names.items():
            text = text.replace(name, real)
        return text

    def readable(self, text):
        """The text with readable names, and without what differs from run to run; whole if ``plain``."""
        if self.plain:
            return text
        for name, real in self.names.items():
            text = text.replace(real, name)
        text = re.sub(r"(:i-[\w-]+?)-(?:[0-9a-f]{8}|\d{8}T\d{6}Z)\b", r"\1-TOKEN", text)
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
        return "\n".join(re.sub(r" {2,}", "  ", line) for line in text.split("\n"))
