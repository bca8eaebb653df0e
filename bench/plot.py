"""How a drain's cost grows with the number of drains, as SVG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygal
from pygal.style import CleanStyle


def draw(scale: dict[str, Any], path: Path) -> None:
    """Requests and history events of one drain over the number of drains at once, logarithmic axis."""
    runs = scale["runs"]
    chart = pygal.XY(
        title="Drains at once, and what each of them costs",
        x_title="nodes terminated at once",
        logarithmic=True,
        xrange=(1, runs[-1]["nodes"]),
        style=CleanStyle,
        width=800,
        height=400,
        js=[],
        disable_xml_declaration=True,
        legend_at_bottom=True,
    )
    series: dict[str, Callable[[dict[str, Any]], float]] = {
        "Kubernetes requests of a drain": lambda run: run["requests"] / run["nodes"],
        "most history events of a drain": lambda run: run["events_most"],
        "busiest second / nodes": lambda run: run["busiest_second"] / run["nodes"],
    }
    for name, figure in series.items():
        chart.add(name, [(run["nodes"], round(figure(run), 1)) for run in runs])
    path.write_text(chart.render(is_unicode=True) + "\n")
