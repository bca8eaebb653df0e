"""The picture shows the machine that is deployed."""

import json
import xml.etree.ElementTree as ET

import pytest
from click.testing import CliRunner

from stepdrain_cli.__main__ import cli
from stepdrain_cli.pictures import graph
from stepdrain_sandbox.aws.deploy import ROOT

MACHINE = json.loads((ROOT / "statemachine" / "drain_node.asl.json").read_text())
COMMITTED = ROOT / "docs" / "drain-node.svg"
without_graphviz = pytest.mark.skipif(
    not graph.drawn_by(), reason="graphviz is not installed (.ci/run installs it)"
)


def test_every_state_and_every_way_is_in_the_graph():
    """Solid for Next and Choice, dashed for Catch."""
    text = graph.dot(MACHINE)
    assert all(f"\n{name} [label=" in text for name in MACHINE["States"])
    assert "EvictBatch -> WaitForPods [dir=forward]" in text
    assert "EvictBatch -> Heartbeat [dir=forward, style=dashed" in text
    assert "PodsLeft -> CompleteAction [dir=forward]" in text


def test_a_state_that_waits_says_for_what():
    """Errors of the moment are not what a state waits for."""
    assert '"EvictBatch\\nasks again: NotYourTurn"' in graph.dot(MACHINE)
    assert 'Label [label="Label"]' in graph.dot(MACHINE)


@without_graphviz
def test_the_committed_picture_is_what_is_drawn():
    """By the version of graphviz that drew it; others may lay out differently."""
    committed = COMMITTED.read_text()
    if f"graphviz version {graph.drawn_by()} " not in committed:
        pytest.skip(f"graphviz here is {graph.drawn_by()}, and docs/drain-node.svg is by another version")
    assert graph.svg(MACHINE) == committed, "docs/drain-node.svg is stale: run make graph"


def test_the_committed_picture_is_xml_without_anything_to_load():
    """Browsers show an SVG that is no XML as an error."""
    root = ET.fromstring(COMMITTED.read_text())
    assert root.tag.endswith("svg")
    assert {element.tag.split("}")[1] for element in root.iter()}.isdisjoint({"script", "image", "use"})


def test_a_file_that_is_no_machine_is_one_sentence(tmp_path):
    """Exit status 2."""
    (tmp_path / "x.json").write_text("[]")
    result = CliRunner().invoke(cli, ["graph", str(tmp_path / "x.json")])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "is no state machine in the Amazon States Language." in result.stderr
