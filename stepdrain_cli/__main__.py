"""``stepdrain``: what an operator types. Data goes to stdout, progress to stderr.

Exit statuses are in stepdrain_cli.terminal.exits and docs/cli.md.
"""

from __future__ import annotations

import errno
import gc
import os
import sys

import click
from stepdrain import VERSION

from stepdrain_cli.terminal import signals
from stepdrain_cli.terminal.exits import DONE, INTERRUPTED, USAGE
from stepdrain_cli.terminal.lazy_group import LazyGroup

__all__ = ["cli", "main"]
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""A disk that is full, or a limit that is reached."""
SUMMARIES = {
    "plan": "Show what a drain would do with each pod of a node, and why it would hang.",
    "run": "Drain a node now, from here, without AWS.",
    "doctor": "Show which node groups are unprotected, and how to protect them.",
    "verify": "Rehearse a drain in the account: prove that it would work, change nothing.",
    "manifests": "Print the RBAC manifests that the cluster needs.",
    "start": "Start the drain of a node in the account.",
    "list": "List drains, newest first.",
    "status": "Show how a node's newest drain stands.",
    "watch": "Watch a node's newest drain until it ends.",
    "history": "Show a node's newest drain event by event.",
    "redrive": "Redrive failed drains: each goes on from the state that failed.",
    "stop": "Stop a running drain.",
    "undo": "Take back the label and cordon that a drain has set on a node.",
    "runbook": "Print what to do about an error of a drain.",
    "report": "Write one drain as one HTML file.",
    "bundle": "Collect one drain for a report to the project, without secrets.",
    "sandbox": "Open a shell on an embedded account and cluster with drains to look after.",
    "graph": "Draw the state machine as SVG.",
    "completion": "Print the completion script for a shell.",
}
"""Each command's line in --help. Written here so that --help imports no command."""


@click.group(
    cls=LazyGroup,
    package="stepdrain_cli.commands",
    summaries=SUMMARIES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(VERSION, prog_name="stepdrain")
def cli() -> None:
    """Graceful drains for Kubernetes nodes, state by state."""


def main() -> None:
    """The entry point: exits with the command's status."""
    # A command lives for seconds: by default Python looks for garbage hundreds of times while it imports.
    gc.set_threshold(50_000, 20, 100)
    stdout = sys.stdout
    try:
        with signals.as_ctrl_c():
            cli.main(prog_name="stepdrain", standalone_mode=False)
    except SystemExit as done:
        # Where somebody closed the pipe, click wraps stdout and ends with 1, which means a drain that failed.
        sys.exit(done.code if sys.stdout is stdout else DONE)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        click.echo("stepdrain: interrupted", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        # What is still buffered would fail once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        text = f"The output cannot be written ({error.strerror}). Make room, then repeat."
        click.echo(f"Error: {text}", err=True)
        sys.exit(USAGE)


if __name__ == "__main__":
    main()
