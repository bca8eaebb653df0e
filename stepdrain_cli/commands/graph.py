"""``stepdrain graph``: the state machine as SVG."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from stepdrain_cli.pictures import graph
from stepdrain_cli.terminal import files
from stepdrain_cli.terminal.exits import FAILED, USAGE, CommandError
from stepdrain_cli.terminal.files import FILE
from stepdrain_deployed import DRAIN_NODE
from stepdrain_recorded.history import parsed
from stepdrain_recorded.timeline import timeline
from stepdrain_recorded.unreadable import Unreadable


@click.command("graph")
@click.argument("definition", required=False, type=FILE)
@click.option("--out", type=FILE, help="Write it there instead of to stdout.")
@click.option(
    "--history",
    type=FILE,
    help="Colour the states as in this execution: a history.json of `stepdrain history --json` or the demo.",
)
@click.option("--check", is_flag=True, help="Only compare with --out; exit 1 if it differs.")
def command(definition: str | None, out: str | None, history: str | None, check: bool) -> None:
    """Draw a state machine (an ASL file; the project's own if absent) as SVG, by graphviz."""
    states = graph.states_of(timeline(recorded(Path(history)))) if history else None
    picture = graph.svg(_machine(Path(definition) if definition else DRAIN_NODE), states)
    if out is None:
        click.echo(picture, nl=False)
    elif check:
        _compare(Path(out), picture)
    else:
        files.write(Path(out), picture)
        click.echo(out)


def recorded(path: Path) -> list[dict[str, Any]]:
    """The events of a history file; CommandError if it cannot be read or is none."""
    try:
        return parsed(path.read_text(), str(path))
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    except Unreadable as error:
        raise CommandError(str(error)) from error


def _machine(path: Path) -> graph.Machine:
    try:
        machine: graph.Machine = json.loads(path.read_text())
        _ = machine["StartAt"], machine["States"].items()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CommandError(f"{path} is no state machine in the Amazon States Language.") from None
    return machine


def _compare(path: Path, picture: str) -> None:
    committed = path.read_text() if path.exists() else ""
    if f"graphviz version {graph.drawn_by()} " not in committed and committed:
        click.echo(f"Not compared: {path} was drawn by another version of graphviz.", err=True)
        sys.exit(USAGE)
    if committed != picture:
        raise CommandError(f"{path} is not what is drawn from the definition; run make graph.", FAILED)
