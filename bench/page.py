"""docs/performance.md, written from the JSON that a run has left; no figure is typed by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench import prices, scale
from bench.rows import ROWS

TEMPLATE = "performance.md.j2"
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


def render(results: Mapping[str, Any]) -> str:
    """The page, for the results of all parts by name, with ``machine`` and ``targets``."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {"figure": figure, "table": table, **ROWS}
    return environment.get_template(TEMPLATE).render({**results, **_derived(results)})


def _derived(results: Mapping[str, Any]) -> dict[str, Any]:
    ours = [cell for cell in results["one_node"]["compared"] if cell["tool"] == "stepdrain"]
    compiled = {
        function["function"]: function
        for function in results["cold_start"]["functions"]
        if function["compiled"]
    }
    return {
        "engine_ms": 1000 * sum(cell["engine_s"] / cell["transitions"] for cell in ours) / len(ours),
        "missed": [target for target in results["targets"] if not target["met"]],
        "cold_functions": len(DRAIN),
        "cold_path_s": sum(compiled[name]["invoked_cpu_s"] for name in DRAIN),
        "prices": {"region": prices.REGION, "as_of": prices.AS_OF},
        "at_once": scale.AT_ONCE,
    }


def figure(value: float) -> str:
    """A number as a person reads it: whole ones whole, others with two or three figures that matter."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.2g}" if abs(value) >= 0.01 else f"{value:.5f}"


def table(rows: Iterable[Sequence[object]], heads: Sequence[str]) -> str:
    """A Markdown table; numbers are written by ``figure``."""
    lines = [heads, ["---"] * len(heads), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    return figure(value) if isinstance(value, int | float) else str(value)
