"""``stepdrain report``: one drain as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from stepdrain import history
from stepdrain.sentence import Sentence


@click.command("report")
@click.option("--from-file", metavar="FILE", help="A history (GetExecutionHistory as JSON).")
@click.option(
    "--audit", metavar="FILE", help="The cluster's audit log, one event a line: shows each eviction."
)
@click.option("--out", default="report.html", show_default=True, metavar="FILE", help="Where to write it.")
def command(from_file: str | None, audit: str | None, out: str) -> None:
    """Write one drain as one HTML file that needs no network: states, pods, waits, costs, audit trail."""
    if from_file is None:
        raise Sentence("Say which drain: --from-file history.json.")
    events = history.read(Path(from_file))
    logged = history.read_audit(Path(audit)) if audit else None
    # Imported here: the template engine is needed by this command only.
    from stepdrain.report import render  # noqa: PLC0415

    write(Path(out), render(events, logged))
    click.echo(out)


def write(path: Path, text: str) -> None:
    """Write the file; Sentence if that is impossible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise Sentence(f"{path} cannot be written: {error.strerror}.") from error
