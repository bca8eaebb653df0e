"""``make demo``: see a drain without an account and without a cluster.

Exit status 1 says that a guarantee was broken.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from stepdrain_recorded import audit
from stepdrain_sandbox.aws.language_extensions import TemplateRefused
from stepdrain_sandbox.demo import refresh, roll
from stepdrain_sandbox.demo.scenario import TEMPLATE, Choices, Functions, Outcome, play

OUT = Path("out") / "demo"
LOG = OUT / "functions.log"
OWN: dict[str, Any] = {"refresh": refresh, "roll": roll}
"""Scenarios with a story of their own, by the module that plays it."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--nodes", type=click.IntRange(2, 50), default=3, show_default=True, help="Nodes of the cluster."
)
@click.option(
    "--pods", type=click.IntRange(1, 500), default=3, show_default=True, help="nginx pods, over all nodes."
)
@click.option(
    "--blocked",
    "blocked_s",
    type=click.IntRange(0, 600),
    default=0,
    help="Seconds that nginx's budget blocks.",
)
@click.option(
    "--fail", "failing", is_flag=True, help="Let the drain fail first; then fix the cause and redrive."
)
@click.option(
    "--scenario",
    type=click.Choice(["drain", "edges", "refresh", "roll"]),
    default="drain",
    show_default=True,
    help="edges: also waves by annotation, a volume that is detached and a target that drains. "
    "refresh: every instance is replaced, and its successor admitted by a launch hook. "
    "roll: of two Deployments of one replica behind their budgets one is rolled, and loses no request.",
)
@click.option(
    "--built", is_flag=True, help="Run all functions from the built archives, each in a new process (Linux)."
)
@click.option(
    "--release",
    "released",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Deploy a released template: DIR is the unpacked stepdrain-<version>.zip.",
)
def command(
    nodes: int, pods: int, blocked_s: int, failing: bool, scenario: str, built: bool, released: Path | None
) -> None:
    """Terminate one instance of a small cluster and show its drain as it happens."""
    OUT.mkdir(parents=True, exist_ok=True)
    if scenario in OWN:
        if built or failing or blocked_s or released:
            raise click.UsageError(f"--scenario {scenario} takes no option but --nodes.")
        outcome = OWN[scenario].play(click.echo, max(nodes, 3) if scenario == "roll" else nodes)
    else:
        template = released / "template.yaml" if released else TEMPLATE
        choices = Choices(nodes, pods, blocked_s, failing, edges=scenario == "edges", template=template)
        try:
            with _functions(built) as functions:
                outcome = play(choices, click.echo, functions)
        except (TemplateRefused, FileNotFoundError) as refused:
            raise click.ClickException(str(refused)) from refused
    _write(outcome)
    _conclude(outcome, scenario)


def _conclude(outcome: Outcome, scenario: str) -> None:
    written = audit.changes(outcome.audit)
    if scenario in OWN:
        click.echo("\nWhat came of it:")
        lines = OWN[scenario].lines(outcome.summary)
    else:
        click.echo("\nWhat the audit log of the cluster says:")
        lines = audit.trail(written, " ".join(outcome.summary["lifecycleAction"]))
    for line in lines:
        click.echo(f"  {line}")
    click.echo(f"\nFiles: {OUT}/audit.jsonl, {OUT}/history.json, {OUT}/summary.json")
    if outcome.broken:
        click.echo("\n".join(["", "A guarantee was broken:", *outcome.broken]), err=True)
        sys.exit(1)


@contextlib.contextmanager
def _functions(built: bool) -> Iterator[Functions | None]:
    """What runs the functions from the built archives; None for those in this process."""
    if not built:
        yield None
        return
    # Imported here: only this needs the sources of the layer beside it.
    from stepdrain_sandbox.built import artifacts, functions  # noqa: PLC0415

    if not artifacts.possible():
        raise click.UsageError("--built runs what is built for Lambda, and that needs Linux.")
    click.echo("Building the archives (a minute the first time, then kept in build/packaging) …", err=True)
    made = artifacts.made()
    click.echo(made.said.rstrip(), err=True)
    with LOG.open("w") as log:
        yield lambda: functions.running(made, log)
    click.echo(f"What the functions printed: {LOG}")


def _write(outcome: Outcome) -> None:
    (OUT / "audit.jsonl").write_text("".join(json.dumps(event) + "\n" for event in outcome.audit))
    (OUT / "history.json").write_text(_json({"events": outcome.history}))
    (OUT / "summary.json").write_text(_json(outcome.summary))


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, default=lambda moment: moment.isoformat()) + "\n"


if __name__ == "__main__":
    # The functions' own log is for CloudWatch; here it would only hide the drain.
    logging.disable(logging.CRITICAL)
    command(prog_name="make demo ARGS=")
