"""What an installation needs: a small base, and the embedded world as an extra."""

import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from click.testing import CliRunner

import stepdrain_sandbox
from stepdrain_cli.__main__ import cli
from stepdrain_deployed import FOLDER

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def distributions(requirements):
    """The names of distributions, without their versions and extras."""
    return {requirement.split(">")[0].split("[")[0].split(";")[0].strip() for requirement in requirements}


def test_the_embedded_world_names_what_its_extra_brings():
    """The sentence is only as good as its list; Lambda's client is needed for built functions alone."""
    extra = distributions(PROJECT["optional-dependencies"]["sandbox"]) - {"awslambdaric"}
    assert {packages_distributions()[name][0] for name in stepdrain_sandbox.NEEDS} == extra
    assert extra & distributions(PROJECT["dependencies"]) == set()


@pytest.mark.parametrize("arguments", [["list", "--sandbox"], ["doctor", "--sandbox"]])
def test_without_the_extra_sandbox_is_one_sentence_with_the_line_to_type(arguments, monkeypatch):
    """The base installation has no moto."""
    for name in [module for module in sys.modules if module.partition(".")[0] == "stepdrain_sandbox"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name != "moto" else None)
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "Error: The embedded world is not installed: pip install 'stepdrain[sandbox]'"
    )


@pytest.mark.parametrize("source", ["template.yaml", "statemachine/*.asl.json", "kubernetes/*.yaml"])
def test_every_file_that_is_deployed_travels_with_the_wheel(source):
    """A link that is missing, or was checked out as text, shows only after the installation."""
    files = sorted(ROOT.glob(source))
    assert files
    assert [(FOLDER / file.relative_to(ROOT)).read_bytes() for file in files] == [
        file.read_bytes() for file in files
    ]
