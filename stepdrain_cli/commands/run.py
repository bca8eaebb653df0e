"""``stepdrain run``: a real drain from a laptop, without AWS."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from stepdrain.adapters.kube import connect_by_kubeconfig
from stepdrain.rules.policy import Policy

from stepdrain_cli.commands.options import no_such_node, on_cluster
from stepdrain_cli.exits import DONE, FAILED, REFUSED, TIMED_OUT, CommandError


@click.command("run")
@on_cluster
@click.option("--out", metavar="DIR", help="Write history.json and result.json there.")
def command(node: str, kubeconfig: str, context: str | None, policy: Policy, out: str | None) -> None:
    """Drain NODE now, through the same state machine and functions as on AWS, without AWS.

    Works on any cluster the kubeconfig names. Progress goes to stderr, the result as JSON to stdout.
    """
    if connect_by_kubeconfig(kubeconfig, context).node(node) is None:
        raise no_such_node(node)
    # Imported here: the engine takes seconds to load, and only this command needs it.
    from stepdrain_cli.run import drain  # noqa: PLC0415

    result = drain(node, kubeconfig, context, policy, lambda line: click.echo(line, err=True))
    if out:
        _write(Path(out), {"history.json": {"events": result.history}, "result.json": result.to_document()})
    click.echo(json.dumps(result.to_document(), indent=2))
    sys.exit(_status(result.status, result.error))


def _status(status: str, error: str) -> int:
    if status == "SUCCEEDED":
        return DONE
    return {"DrainRefused": REFUSED, "DrainTimedOut": TIMED_OUT}.get(error, FAILED)


def _write(folder: Path, files: dict[str, Any]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(
                json.dumps(content, indent=2, default=lambda one: one.isoformat()) + "\n"
            )
    except OSError as error:
        raise CommandError(f"{folder} cannot be written: {error.strerror}.") from error
