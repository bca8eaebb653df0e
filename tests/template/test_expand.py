"""`make expand`: what a reviewer reads is what is deployed."""

from __future__ import annotations

from pathlib import Path

import pytest

from stepdrain_sandbox.aws.deploy import translate
from stepdrain_sandbox.aws.expand import main
from tests.template.stack import ROOT

GIVEN = {
    "ClusterName": "demo",
    "OtherClusterNames": "two",
    "GroupNames": "web-1,db",
    "CreateLifecycleHooks": "true",
    "OnDelete": "Retain",
}


def test_the_text_that_is_printed_makes_the_same_resources(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reviewer who signs the printed text has signed the template."""
    assert main([f"{name}={value}" for name, value in GIVEN.items()]) == 0
    printed = capsys.readouterr().out
    # Written out to the last row: one key a line, no loops, no aliases.
    assert "Fn::ForEach" not in printed
    assert "{Sid:" not in printed
    (tmp_path / "template.yaml").write_text(printed)
    (tmp_path / "statemachine").symlink_to(ROOT / "statemachine")
    from_text, from_template = (
        translate(tmp_path / "template.yaml", GIVEN),
        translate(ROOT / "template.yaml", GIVEN),
    )
    for section in ("Resources", "Outputs", "Conditions", "Mappings"):
        assert from_text[section] == from_template[section]


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("GroupName=web", "The template has no parameter GroupName.\n"),
        (
            "GroupNames=web-1,web1",
            "Fn::ForEach::LifecycleHooks makes LifecycleHookweb1 a second time, for web-1 and web1. "
            "Rename one of them.\n",
        ),
    ],
)
def test_what_cannot_be_printed_is_one_sentence(
    argument: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing on standard output that somebody could deploy."""
    assert main([argument]) == 1
    assert capsys.readouterr() == ("", sentence)
