"""The command: play the storms, judge them, and write their section of docs/performance.md."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from bench.storm.play import play
from bench.storm.section import section, with_section
from bench.storm.storms import ALONE, HALF, SMALL, STORMS, Storm
from bench.storm.targets import targets
from bench.targets import missed
from stepdrain_sandbox.aws.deploy import ROOT

Json = dict[str, Any]
PAGE, KEPT = ROOT / "docs" / "performance.md", ROOT / "out" / "bench" / "storm.json"


def measure(
    storms: Mapping[str, Storm], shares: Sequence[float], say: Callable[[str], None]
) -> Iterator[tuple[str, Json]]:
    """Name and outcome of a drain alone, and of each storm at each share of the assumed quotas."""
    yield ALONE, play(Storm("scale-in", 1, within_s=0.0)).to_document()
    for name, storm in storms.items():
        for share in shares:
            shown = name if share == 1 else name + HALF
            outcome = play(replace(storm, share=share)).to_document()
            say(f"{shown}: last cordon {outcome['cordon_last_s']:.0f} s")
            yield shown, outcome


@click.command()
@click.option("--quick", is_flag=True, help="Fifty instances at most, in minutes; nothing is written.")
@click.option("--only", "names", multiple=True, type=click.Choice([*STORMS]), help="Play these alone.")
@click.option("--half", is_flag=True, help="At half of the assumed quotas, too.")
def command(quick: bool, names: tuple[str, ...], half: bool) -> None:
    """Play the storms and write them into docs/performance.md; exit status 1 if a target is missed."""
    logging.disable(logging.CRITICAL)
    storms = SMALL if quick else {name: STORMS[name] for name in names or STORMS}
    found: dict[str, Json] = {} if quick or not KEPT.exists() else json.loads(KEPT.read_text())
    for name, outcome in measure(storms, (1.0, 0.5) if half else (1.0,), click.echo):
        found[name] = outcome
        if not quick:
            _write(found)
    judged = targets(found, SMALL if quick else STORMS)
    for target in missed(judged):
        click.echo(f"MISSED {target.name}: {target.figure:.2f} {target.unit}, at most {target.limit:g}")
    sys.exit(bool(missed(judged)))


def _write(found: Mapping[str, Json]) -> None:
    """After each storm: one takes so long that the ones before it must not be lost with it."""
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps(found, indent=1) + "\n")
    PAGE.write_text(with_section(PAGE.read_text(), section(found, targets(found, STORMS))))


if __name__ == "__main__":
    command(prog_name="python -m bench.storm")
