"""What a command says when it cannot go on: one sentence, and an exit status.

0 done · 1 the drain failed, was stopped, or something needs a person · 2 wrong usage or input
3 the drain was refused by the policy · 4 the deadline passed · 5 no access: credentials, permission, network
130 interrupted, by Ctrl-C, SIGTERM, or SIGHUP of a terminal that is closed
"""

from __future__ import annotations

import click

DONE, FAILED, USAGE, REFUSED, TIMED_OUT, NO_ACCESS = range(6)
INTERRUPTED = 130
"""As a shell shows a command that Ctrl-C ends: 128 and the number of SIGINT."""


class CommandError(click.ClickException):
    """What went wrong in one sentence, and the exit status that says of what kind it was."""

    def __init__(self, message: str, status: int = USAGE) -> None:
        super().__init__(message)
        self.status = status

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        return self.status
