"""``stepdrain run``: a real drain from a laptop, without AWS."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from stepdrain.rules.policy import Policy

from stepdrain_cli.commands.options import no_such_node, on_cluster, typed_cluster
from stepdrain_cli.planning import earlier_drains
from stepdrain_cli.terminal import files
from stepdrain_cli.terminal.exits import DONE, FAILED, INTERRUPTED, REFUSED, TIMED_OUT, CommandError
from stepdrain_cli.terminal.files import FOLDER
from stepdrain_cli.terminal.interaction import ask

if TYPE_CHECKING:
    from stepdrain_cli.run import Result


@click.command("run")
@on_cluster
@click.option("--out", type=FOLDER, help="Write history.json and result.json there.")
@click.option("--yes", is_flag=True, help="Do not ask where a drain of an account may run on the node.")
def command(
    node: str, kubeconfig: str | None, context: str | None, policy: Policy, out: str | None, yes: bool
) -> None:
    """Drain NODE (a name or an instance id) now, through the same state machine and functions as on AWS.

    Works on any cluster the kubeconfig names, and asks AWS for nothing. Progress goes to stderr, the result
    as JSON to stdout. Ctrl-C stops it where it is: the node stays labelled and cordoned, and another run
    goes on. Where a drain of an account has labelled or cordoned the node, it asks before it begins.
    """
    # Imported here: the client takes a while to load, and --help needs none.
    from stepdrain_cli import run  # noqa: PLC0415
    from stepdrain_cli.accounts.node_names import named_node  # noqa: PLC0415
    from stepdrain_cli.clusters.cluster import access  # noqa: PLC0415

    cluster = access(kubeconfig, context)
    found = named_node(cluster.kube(), node)
    if found is None:
        raise no_such_node(node)
    _ask_beside_another(found, yes)
    if out:
        _prepare(Path(out))
    name = found["metadata"]["name"]
    try:
        result = run.drain(
            name, cluster.context.name, cluster.kube, policy, lambda line: click.echo(line, err=True)
        )
    except run.Interrupted as stopped:
        _show(stopped.result, out)
        raise CommandError(
            f"The drain of {name} was interrupted. The node keeps its load balancer label and its cordon, if "
            f"it had come so far. Go on with `stepdrain run {name}{typed_cluster()}`, or take both back with "
            f"`stepdrain undo {name} --local{typed_cluster()}`.",
            INTERRUPTED,
        ) from None
    _show(result, out)
    sys.exit(_status(result.status, result.error))


def _ask_beside_another(node: Mapping[str, Any], yes: bool) -> None:
    """Say who has labelled or cordoned the node; beside a drain that may run, another needs a yes."""
    for sentence in earlier_drains.standing(node):
        click.echo(f"Note: {sentence}", err=True)
    if other := earlier_drains.may_run(node):
        name = node["metadata"]["name"]
        click.echo(
            f"Note: {other} may still run: `stepdrain status {name}` shows it in its account, and "
            f"`stepdrain stop {name}` ends it.",
            err=True,
        )
        ask(f"Drain {name} from here as well?", yes, "Nothing was drained.")


def _show(result: Result, out: str | None) -> None:
    # Printed first: a disk that is full takes the files alone.
    click.echo(json.dumps(result.to_document(), indent=2))
    if out:
        _write(Path(out), {"history.json": {"events": result.history}, "result.json": result.to_document()})


def _status(status: str, error: str) -> int:
    if status == "SUCCEEDED":
        return DONE
    return {"DrainRefused": REFUSED, "DrainTimedOut": TIMED_OUT}.get(error, FAILED)


def _prepare(folder: Path) -> None:
    """Before anything is drained: what cannot be written later is said now."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "history.json").touch()
    except OSError as error:
        raise CommandError(f"{folder} cannot be written: {error.strerror}.") from error


def _write(folder: Path, contents: dict[str, Any]) -> None:
    try:
        for name, content in contents.items():
            text = json.dumps(content, indent=2, default=lambda moment: moment.isoformat())
            (folder / name).write_text(f"{text}\n")
    except OSError as error:
        raise files.unwritable(folder / name, error) from error
    click.echo(f"Written: {' and '.join(str(folder / name) for name in contents)}", err=True)
