"""``python -m bench``: measure, judge, and leave out/bench/*.json; ``--page`` writes the pages from them."""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bench import cold_start, cost, listing, one_node, page, plot, scale, usage
from bench.figures import figure
from bench.storm.section import section_of
from bench.targets import Target, missed
from bench.waiting import judgement, measurement
from stepdrain_sandbox.aws.deploy import ROOT

Json = dict[str, Any]
OUT, DOCS = ROOT / "out" / "bench", ROOT / "docs"
JUDGES: dict[str, Callable[[Json], list[Target]]] = {
    "one_node": one_node.targets,
    "cold_start": cold_start.targets,
    "waiting": judgement.targets,
    "cost": cost.targets,
    "scale": scale.targets,
    "listing": listing.targets,
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", "parts", multiple=True, type=click.Choice([*JUDGES]), help="Measure these alone.")
@click.option("--quick", is_flag=True, help="Fewer cells and nodes, to see whether it runs.")
@click.option(
    "--page",
    "write_page",
    is_flag=True,
    help="Write docs/performance.md and docs/measurements.md from the last results.",
)
def command(parts: tuple[str, ...], quick: bool, write_page: bool) -> None:
    """Measure what a drain costs and compare it with the targets; exit status 1 if one is missed."""
    if write_page:
        _write_pages()
        return
    # The functions' own log is for CloudWatch.
    logging.disable(logging.CRITICAL)
    OUT.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    for part in parts or JUDGES:
        click.echo(f"== {part}")
        _save(part, _measure(part, quick))
    found = [target for part in parts or JUDGES for target in JUDGES[part](_load(part))]
    _save("targets", [target.to_document() for target in found])
    _save("machine", {**machine(), "quick": quick})
    _show(found)
    click.echo(f"{(time.monotonic() - began) / 60:.1f} minutes; files: {OUT.relative_to(ROOT)}/*.json")
    sys.exit(bool(missed(found)))


def _measure(part: str, quick: bool) -> Json:
    match part:
        case "one_node":
            return one_node.measure(click.echo, one_node.COMPARED[:2] if quick else one_node.COMPARED)
        case "cold_start":
            return cold_start.measure(click.echo)
        case "waiting":
            return measurement.measure(click.echo, _load("cold_start"), quick=quick)
        case "cost":
            return usage.measure(click.echo, _load("one_node"), _load("cold_start"))
        case "scale":
            measured = scale.measure(click.echo, scale.SIZES[:2] if quick else scale.SIZES)
            plot.draw(measured, OUT / "scale.svg")
            return measured
        case _:
            return listing.measure(click.echo)


def machine() -> Json:
    """What it was measured on; no names of hosts."""
    return {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _save(name: str, content: Any) -> None:
    (OUT / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def _load(name: str) -> Any:
    path = OUT / f"{name}.json"
    if not path.exists():
        shown = Path("out", "bench", f"{name}.json")
        raise click.ClickException(f"{shown} is not there. Run `make bench` first, which measures it.")
    return json.loads(path.read_text())


def _show(found: list[Target]) -> None:
    table = Table("part", "what", "figure", "at most", "", "")
    for target in found:
        verdict = "met" if target.met else "[bold red]MISSED"
        table.add_row(
            target.part, target.name, figure(target.figure), figure(target.limit), target.unit, verdict
        )
    # Wide enough for a file, where no terminal says how wide it is.
    Console(width=140).print(table)


def _write_pages() -> None:
    results = {name: _load(name) for name in (*JUDGES, "machine")}
    # Judged anew, so that the page is whole also when the last run measured a part alone.
    results["targets"] = [target.to_document() for part in JUDGES for target in JUDGES[part](results[part])]
    # They take hours, and are played one by one.
    results["storms"] = section_of((DOCS / "performance.md").read_text())
    for name in page.PAGES:
        (DOCS / name).write_text(page.render(results, name))
        click.echo(f"docs/{name}")
    plot.draw(results["scale"], DOCS / "performance.svg")


if __name__ == "__main__":
    command(prog_name="python -m bench")
