"""``stepdrain``: what an operator types. Data goes to stdout, progress to stderr.

Exit statuses are in stepdrain_cli.exits and docs/cli.md.
"""

from __future__ import annotations

import sys

import click
from stepdrain import VERSION
from stepdrain.errors import DrainError

from stepdrain_cli.commands import (
    completion,
    doctor,
    graph,
    history,
    list_drains,
    plan,
    redrive,
    report,
    run,
    start,
    status,
    stop,
    watch,
)
from stepdrain_cli.exits import USAGE, CommandError
from stepdrain_recorded.unreadable import Unreadable

__all__ = ["CommandError", "cli", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="stepdrain")
def cli() -> None:
    """Graceful drains for Kubernetes nodes, state by state."""


for module in (
    doctor,
    plan,
    start,
    list_drains,
    status,
    watch,
    history,
    redrive,
    stop,
    report,
    run,
    graph,
    completion,
):
    cli.add_command(module.command)


def main() -> None:
    """The entry point: a domain error becomes its sentence, never a traceback."""
    try:
        cli.main(prog_name="stepdrain", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        sys.exit("stepdrain: interrupted")
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (DrainError, Unreadable) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(USAGE)


if __name__ == "__main__":
    main()
