"""docs/examples: the reports of two drains, and the picture of an execution.

``--check`` only compares, and exits 1 on a difference.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from stepdrain_cli.pictures import graph
from stepdrain_cli.pictures.report import render
from stepdrain_deployed import DRAIN_NODE
from stepdrain_recorded import history
from stepdrain_recorded.timeline import timeline
from stepdrain_sandbox.examples.recordings import RECORDINGS

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "examples"


def reports() -> dict[str, str]:
    """File name to HTML."""
    pages = {}
    for name, play in RECORDINGS.items():
        recording = play()
        pages[f"{name}.html"] = render(history.checked(recording.history, name), recording.audit)
    return pages


def execution() -> str:
    """The picture of an execution that failed and waits for a redrive, as the console shows one."""
    events = history.checked(RECORDINGS["failed-then-redriven"]().history, "failed-then-redriven")
    redriven = next(n for n, event in enumerate(events) if event["type"] == "ExecutionRedriven")
    machine = json.loads(DRAIN_NODE.read_text())
    return graph.svg(machine, graph.states_of(timeline(events[:redriven])))


def main() -> None:
    """Write or check the files."""
    logging.disable(logging.CRITICAL)
    checking, stale = "--check" in sys.argv[1:], []
    pages = reports()
    if graph.drawn_by():
        pages["execution.svg"] = execution()
    for name, page in pages.items():
        path = FOLDER / name
        if checking and (not path.exists() or path.read_text() != page):
            stale.append(name)
        elif not checking:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page)
    if stale:
        sys.exit(f"docs/examples is not what is rendered: {', '.join(stale)}. Run make examples.")


if __name__ == "__main__":
    main()
