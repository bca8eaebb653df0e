"""The pages about performance, written from the JSON that a run has left; no figure is typed by hand.

docs/performance.md has the verdicts and what a reader decides by, docs/measurements.md every table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench import cost, prices, scale
from bench.figures import figure
from bench.rows import ROWS
from bench.waiting import judgement, measurement
from bench.waiting.virtual import DURATIONS

PAGES = ("performance.md", "measurements.md")
"""Each is made of the template of its name."""
FIRST = (judgement.PART, cost.PART)
"""Parts whose targets stand first."""
DRAIN = (
    "FindNode",
    "Label",
    "Cordon",
    "EvictBatch",
    "WaitForPods",
    "WaitForVolumes",
    "WaitForTargets",
    "CompleteAction",
)
"""Functions of an ordinary drain, in their order."""


def render(results: Mapping[str, Any], name: str) -> str:
    """The page called ``name``, for the results of all parts by name, with ``machine`` and ``targets``."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {"figure": figure, "table": table, "first_columns": lambda row: row[:5], **ROWS}
    return environment.get_template(f"{name}.j2").render({**results, **_derived(results)})


def _derived(results: Mapping[str, Any]) -> dict[str, Any]:
    ours = [cell for cell in results["one_node"]["compared"] if cell["tool"] == "stepdrain"]
    compiled = {
        function["function"]: function
        for function in results["cold_start"]["functions"]
        if function["compiled"]
    }
    return {
        "engine_ms": 1000 * sum(cell["engine_s"] / cell["transitions"] for cell in ours) / len(ours),
        "first": [target for target in results["targets"] if target["part"] in FIRST],
        "others": [target for target in results["targets"] if target["part"] not in FIRST],
        "beside": list(judgement.pairs(results["waiting"]["virtual"])),
        **_when_cold(results["waiting"]["virtual"]),
        "missed": [target for target in results["targets"] if not target["met"]],
        "cold_functions": len(DRAIN),
        "cold_path_s": sum(compiled[name]["invoked_cpu_s"] for name in DRAIN),
        "prices": {"region": prices.REGION, "as_of": prices.AS_OF},
        "at_once": scale.AT_ONCE,
    }


def _when_cold(cells: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """How late drains are whose functions are all cold (seconds), and what a warm invocation takes."""
    cold = [cell for cell in cells if cell["tool"] == measurement.COLD]
    warm = {(cell["kind"], cell["after_s"]): cell for cell in cells if cell["tool"] == measurement.STEPDRAIN}
    theirs = {(cell["kind"], cell["after_s"]): cell for cell in cells if cell["tool"] == measurement.KUBECTL}
    than_kubectl = [cell["late_s"] - theirs[cell["kind"], cell["after_s"]]["late_s"] for cell in cold]
    later = [cell["late_s"] - warm[cell["kind"], cell["after_s"]]["late_s"] for cell in cold]
    return {
        "invocation_s": DURATIONS.invocation + DURATIONS.transition,
        "cold_more_s": max(later, default=0.0),
        "cold_than_kubectl_s": max(than_kubectl, default=0.0),
        "cold_first_s": max((cell["first_s"] for cell in cold if cell["first_s"] is not None), default=0.0),
    }


def table(rows: Iterable[Sequence[object]], heads: Sequence[str]) -> str:
    """A Markdown table; numbers are written by ``figure``."""
    lines = [heads, ["---"] * len(heads), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    return figure(value) if isinstance(value, int | float) else str(value)
