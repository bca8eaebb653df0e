"""``stepdrain bundle``: one drain as a file for the project's maintainers, without secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from stepdrain_cli.accounts import drain_lookup, drains
from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.name_completion import drained_nodes
from stepdrain_cli.bundles import bundle
from stepdrain_cli.bundles.redaction import summary
from stepdrain_cli.commands.options import DEFAULT_STACK, on_account, stack_of
from stepdrain_cli.doctor.survey import Doctor
from stepdrain_cli.terminal import files
from stepdrain_cli.terminal.exits import CommandError
from stepdrain_cli.terminal.files import FILE
from stepdrain_cli.terminal.node_argument import NODE


@click.command("bundle")
@click.argument("target", type=NODE, metavar="NODE", shell_complete=drained_nodes)
@on_account
@click.option("--out", type=FILE, help="Default: NODE.zip.")
def command(account: Account, target: str, out: str | None) -> None:
    """Collect the newest drain of NODE for a report: its history, its state, doctor's findings, versions.

    Tokens, credentials and account numbers are removed; names of nodes, pods and groups stay.
    """
    found = drain_lookup.find(account, target)
    standing = drains.standing(account, found)
    named = click.get_current_context().params["stack"]
    stack = DEFAULT_STACK if account.world is not None else stack_of(named, Path())
    cluster = str(standing.line.document.get("cluster") or "")
    parts = {
        "history.json": {"events": drains.events(account, found.arn)},
        "status.json": standing.to_document(),
        "doctor.json": bundle.attempted(
            lambda: _doctor(account, cluster, stack), CommandError, ClientError, BotoCoreError
        ),
        "versions.json": bundle.versions(),
    }
    file = Path(out or f"{target}.zip")
    try:
        redaction = bundle.write(file, parts)
    except OSError as error:
        raise files.unwritable(file, error) from error
    click.echo(file)
    click.echo(
        f"Removed: {', '.join(summary(redaction.removed))}. Look through it before you attach it.",
        err=True,
    )


def _doctor(account: Account, cluster: str, stack: str) -> dict[str, Any]:
    return Doctor(account.session, cluster, stack).examine().to_document()
