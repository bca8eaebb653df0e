"""``stepdrain report``: one drain as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stepdrain_cli.accounts import drain_lookup, drains
from stepdrain_cli.accounts.name_completion import drained_nodes
from stepdrain_cli.commands.options import account_options, opened
from stepdrain_cli.terminal import files
from stepdrain_cli.terminal.exits import CommandError
from stepdrain_cli.terminal.files import FILE
from stepdrain_cli.terminal.node_argument import NODE
from stepdrain_recorded import audit as audit_log
from stepdrain_recorded import history


@click.command("report")
@click.argument("execution", type=NODE, required=False, metavar="[EXECUTION]", shell_complete=drained_nodes)
@click.option("--from-file", type=FILE, help="A history (GetExecutionHistory as JSON).")
@click.option(
    "--audit",
    type=FILE,
    help="The cluster's audit log, one event a line: shows each eviction.",
)
@click.option("--out", default="report.html", show_default=True, type=FILE, help="Where to write it.")
@account_options
def command(
    execution: str | None, from_file: str | None, audit: str | None, out: str, **account: Any
) -> None:
    """Write one drain as one HTML file that needs no network: states, pods, waits, costs, audit trail.

    EXECUTION is an execution's ARN, a node's name or an instance id.
    """
    if (execution is None) == (from_file is None):
        raise CommandError("Say which drain: an EXECUTION, or --from-file history.json.")
    events = history.parsed(_text(from_file), from_file) if from_file else _fetched(str(execution), account)
    logged = audit_log.parsed(_text(audit), audit) if audit else None
    # Imported here: the template engine is needed by this command only.
    from stepdrain_cli.pictures.report import render  # noqa: PLC0415

    files.write(Path(out), render(events, logged))
    click.echo(out)


def _fetched(execution: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    with opened(**options) as account:
        return drains.events(account, drain_lookup.find(account, execution).arn)


def _text(file: str) -> str:
    try:
        return Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise CommandError(f"{file} cannot be read: {reason}.") from error
