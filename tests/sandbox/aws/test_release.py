"""A released template is deployed as the checkout's is, if its artefacts lie beside it."""

import shutil
from pathlib import Path

import pytest

from release.application import LOCAL, METADATA, pointed, with_parameters
from stepdrain_sandbox.aws.deploy import translate
from stepdrain_sandbox.aws.language_extensions import TemplateRefused
from stepdrain_sandbox.aws.release import key_name

ROOT = Path(__file__).parents[3]
VALUES = {"ClusterName": "demo", "GroupNames": "workers"}


@pytest.fixture
def released(tmp_path):
    """The template as a release has it; code and layer are empty files."""
    text = METADATA.sub("", (ROOT / "template.yaml").read_text())
    for path in sorted({found["path"] for found in LOCAL.finditer(text)}):
        name = f"0123-{Path(path).name}"
        text = pointed(text, path, name)
        if path.endswith(".json"):
            shutil.copyfile(ROOT / path, tmp_path / name)
        else:
            (tmp_path / name).touch()
    (tmp_path / "template.yaml").write_text(with_parameters(text))
    return tmp_path / "template.yaml"


def test_a_release_makes_what_the_checkout_makes(released):
    """Resource by resource, definition and rights included."""
    ours = translate(ROOT / "template.yaml", VALUES)["Resources"]
    theirs = translate(released, VALUES)["Resources"]
    assert set(theirs) == set(ours)
    assert theirs["DrainNode"] == ours["DrainNode"]
    assert {name: resource for name, resource in theirs.items() if resource["Type"] == "AWS::IAM::Role"} == {
        name: resource for name, resource in ours.items() if resource["Type"] == "AWS::IAM::Role"
    }


def test_artefacts_that_are_missing_are_named(released):
    """Lambda would say so after minutes, one function after the other."""
    for name in ("0123-layer", "0123-drain_node.asl.json"):
        (released.parent / name).unlink()
    with pytest.raises(
        TemplateRefused, match=r"needs 0123-drain_node.asl.json, 0123-layer, but .* have them: unpack"
    ):
        translate(released, VALUES)


@pytest.mark.parametrize(
    "location",
    ["a/b.zip", {"Bucket": "x", "Key": "a/b.zip"}, {"Bucket": "x", "Key": {"Fn::Sub": "${P}b.zip"}}],
)
def test_an_artefact_is_known_by_the_end_of_its_key(location):
    """Whatever prefix its user has chosen."""
    assert key_name(location) == "b.zip"
