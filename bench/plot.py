"""How a drain's cost grows with the number of drains, as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pygal
from pygal.style import CleanStyle

HEADROOM = 1.2
"""Above the highest point, so that a line that stays level is not the frame."""


def draw(scale: dict[str, Any], path: Path) -> None:
    """Kubernetes requests of one drain over the number of drains at once, in one unit, from zero.

    ``scale`` is what bench.scale measured: ``runs``, each with its ``nodes`` and ``requests`` (counts).
    """
    runs = scale["runs"]
    points = [(run["nodes"], round(run["requests"] / run["nodes"], 1)) for run in runs]
    chart = pygal.XY(
        title="Kubernetes requests of one drain",
        x_title="nodes terminated at once",
        y_title="requests",
        xrange=(0, runs[-1]["nodes"]),
        range=(0, HEADROOM * max(requests for _, requests in points)),
        include_x_axis=True,
        show_legend=False,
        style=CleanStyle,
        width=800,
        height=400,
        js=[],
        disable_xml_declaration=True,
        no_prefix=True,
    )
    chart.add("requests of a drain", points)
    path.write_text(chart.render(is_unicode=True) + "\n")
