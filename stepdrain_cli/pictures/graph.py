"""The state machine as a picture: the rendered ASL as DOT, laid out by graphviz, coloured by style alone.

Boxes and labels have sizes of our own making: graphviz would ask for a font, and no two
machines have the same.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from stepdrain import errors

from stepdrain_cli.terminal.exits import CommandError
from stepdrain_recorded.timeline import Timeline

Machine = Mapping[str, Any]
STYLE = """<style>
text { font-family: system-ui, "Segoe UI", Roboto, Arial, sans-serif; fill: #17202b; }
.node path { fill: #e5eff9; stroke: #2f6fb0; } .node ellipse { fill: #17202b; stroke: #17202b; }
.node text { font-weight: 600; } .node text ~ text { font-weight: 400; font-size: 10.5px; }
.unvisited { opacity: 0.45; } .succeeded path { fill: #dff3e2; stroke: #2e7d32; }
.failed path { fill: #fbe3e1; stroke: #b3261e; } .running path { fill: #fff3d6; stroke: #a66a00; }
.edge path { stroke: #5b6776; } .edge polygon { fill: #5b6776; stroke: #5b6776; }
.edge text { fill: #5b6776; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6ebf1; } .node path { fill: #17304a; stroke: #6aa8e6; }
  .node ellipse { fill: #e6ebf1; stroke: #e6ebf1; }
  .node text { font-weight: 600; } .node text ~ text { font-weight: 400; font-size: 10.5px; }
.edge path { stroke: #9aa7b6; } .edge polygon { fill: #9aa7b6; stroke: #9aa7b6; }
  .edge text { fill: #9aa7b6; }
  .succeeded path { fill: #173a1d; stroke: #6fcf7c; } .failed path { fill: #4a1a17; stroke: #f2938c; }
  .running path { fill: #47340a; stroke: #f0b84a; }
}
</style>"""
UNVISITED = "unvisited"
POINTS_A_CHARACTER, LINE_POINTS = 6.0, 14


def dot(machine: Machine, states: Mapping[str, str] | None = None) -> str:
    """The machine as a DOT graph: solid is Next, dashed is Catch, and the labels say on what.

    ``states``: what became of each state in one execution (``states_of``), for its colour.
    """
    lines = [
        "digraph {",
        "bgcolor=transparent; rankdir=TB; nodesep=0.5; ranksep=0.45; margin=0.1;",
        'node [shape=box, style="rounded,filled", fixedsize=true, width=2.5, height=0.62, fontsize=13];',
        "edge [fontsize=10.5, arrowsize=0.7];",
        '_start [shape=circle, width=0.16, height=0.16, label=""];',
        '_end [shape=doublecircle, width=0.12, height=0.12, label=""];',
        f"_start -> {machine['StartAt']};",
    ]
    for name, state in machine["States"].items():
        drawn = f', class="{states.get(name, UNVISITED)}"' if states is not None else ""
        lines.append(f"{name} [label={_box(name, state)}{drawn}];")
        lines += [_edge(name, target, label, dashed) for target, label, dashed in _ways(state)]
        if state.get("End"):
            lines.append(f"{name} -> _end;")
    return "\n".join([*lines, "}"])


def _box(name: str, state: Machine) -> str:
    if state["Type"] == "Choice":
        return f'"{name}\\nchooses what comes next"'
    own = next((retrier for retrier in state.get("Retry", ()) if _waits(retrier["ErrorEquals"][0])), None)
    again = f"\\nasks again: {own['ErrorEquals'][0]}" if own else ""
    return f'"{name}{again}"'


def _waits(error: str) -> bool:
    """Whether the error says "not yet"; other retriers are for errors that may pass by themselves."""
    kind = getattr(errors, error, None)
    return kind is not None and issubclass(kind, errors.NotYet)


def _label(text: str) -> str:
    """A label with room of a fixed size."""
    width = len(text) * POINTS_A_CHARACTER + 8
    return (
        f'<<TABLE BORDER="0" CELLPADDING="0" CELLSPACING="0" FIXEDSIZE="TRUE" WIDTH="{width:.0f}" '
        f'HEIGHT="{LINE_POINTS}"><TR><TD>&#160;{escape(text)}</TD></TR></TABLE>>'
    )


def _ways(state: Machine) -> Iterator[tuple[str, str, bool]]:
    """(target, label, dashed) of every transition."""
    if "Next" in state:
        yield state["Next"], "", False
    for choice in state.get("Choices", ()):
        yield choice["Next"], "", False
    if "Default" in state:
        yield state["Default"], "more to evict", False
    for catch in state.get("Catch", ()):
        caught = catch["ErrorEquals"]
        yield catch["Next"], caught[0] if len(caught) == 1 else "retries used up", True


def _edge(source: str, target: str, label: str, dashed: bool) -> str:
    style = ", style=dashed" if dashed else ""
    text = f", label={_label(label)}" if label else ""
    return f"{source} -> {target} [dir=forward{style}{text}];"


def states_of(line: Timeline) -> dict[str, str]:
    """What became of each state that the execution has entered: succeeded, failed or running.

    A Wait and a Choice are left in the moment that they are entered; they count as succeeded.
    """
    states = {visit.state: "succeeded" for visit in line.visits}
    if line.visits and line.visits[-1].left is None:
        states[line.visits[-1].state] = "failed" if line.error else "running"
    return states


def svg(machine: Machine, states: Mapping[str, str] | None = None) -> str:
    """The picture; CommandError if graphviz is not installed. ``states`` as in ``dot``."""
    if shutil.which("dot") is None:
        raise CommandError(
            "graphviz is not installed: its command dot does the layout (apt-get install graphviz)."
        )
    done = subprocess.run(
        ["dot", "-Tsvg"], input=dot(machine, states), capture_output=True, text=True, check=True
    )
    inner = done.stdout[done.stdout.index("<svg") :].replace("<title>%3</title>", "<title>DrainNode</title>")
    # Colours and fonts come from the style; graphviz' own attributes would win over it in some viewers.
    inner = re.sub(r' (fill|stroke|font-family)="(?!none)[^"]*"', "", inner)
    styled = re.sub(r"(<svg[^>]*>)", lambda match: match[1] + "\n" + STYLE, inner, count=1)
    return f"<!-- Laid out by graphviz version {drawn_by()} -->\n{styled}"


def drawn_by() -> str:
    """graphviz' version, "" if it is not installed: another version may lay out differently."""
    if shutil.which("dot") is None:
        return ""
    said = subprocess.run(["dot", "-V"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"version (\S+)", said)
    return found[1] if found else ""
