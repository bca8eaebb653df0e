"""``stepdrain manifests``: what an administrator applies, without the repository."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from stepdrain_cli.__main__ import cli
from stepdrain_cli.clusters import manifests
from stepdrain_sandbox.world import rbac_manifests

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def printed(*arguments):
    result = CliRunner().invoke(cli, ["manifests", *arguments])
    assert result.exit_code == 0, result.output
    return list(yaml.safe_load_all(result.stdout))


def test_without_a_name_it_is_what_the_templates_defaults_need():
    """rbac.yaml and force.yaml, as the installation says."""
    assert printed() == rbac_manifests({})
    everything = rbac_manifests({"RollBlocked": "blocked", "NodeConditions": "true"})
    assert printed("roll", "node-conditions") == everything[-4:]


def test_another_beginning_of_the_groups_is_bound():
    """KubernetesGroupPrefix: the bindings' subjects change, and nothing else."""
    subjects = [
        subject["name"]
        for manifest in printed("--group-prefix", "drains")
        for subject in manifest.get("subjects", ())
    ]
    assert subjects == ["drains-read", "drains-nodes", "drains-evict", "drains-force"]
    roles = [manifest["metadata"]["name"] for manifest in printed("--group-prefix", "drains")]
    assert roles == [manifest["metadata"]["name"] for manifest in printed()]


def test_an_unknown_name_is_one_sentence():
    """With the names that there are."""
    result = CliRunner().invoke(cli, ["manifests", "everything"])
    assert result.exit_code == 2
    assert "'everything' is not one of 'rbac', 'force', 'roll', 'node-conditions'" in result.stderr


@pytest.mark.parametrize(
    ("right", "name"),
    [
        ("list pods", "rbac"),
        ("delete pods", "force"),
        ("patch statefulsets.apps", "roll"),
        ("patch nodes/status", "node-conditions"),
    ],
)
def test_the_manifest_that_grants_a_right_is_found(right, name):
    """A command that applies another one would repair nothing."""
    assert manifests.granting(right) == name


def test_the_loop_of_the_runbook_makes_the_access_entries_of_the_template(tmp_path):
    """Typed into a shell, it puts each role into the groups that the stack itself would."""
    functions = sorted({*manifests.FUNCTION_GROUPS, *manifests.SHOW_CONDITIONS, "FindNode", "WaitForNode"})
    roles = ",".join(f"arn:aws:iam::123456789012:role/stepdrain-{name}Role-EXAMPLE" for name in functions)
    typed = tmp_path / "typed"
    (tmp_path / "aws").write_text(
        f'#!/bin/sh\nif [ "$1" = cloudformation ]; then echo {roles}; else echo "aws $*" >> {typed}; fi\n'
    )
    (tmp_path / "aws").chmod(0o755)
    loop = re.search(r"```sh\n(for ROLE in .*?)```", OPERATIONS.read_text(), re.DOTALL)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-c", loop[1]], check=True, env={"PATH": path})
    expected = [
        manifests.create_entry("", "CLUSTER", role, manifests.groups(name))
        for name, role in zip(functions, roles.split(","), strict=True)
    ]
    wanted = [line.replace(" --region ", "").replace("'", "") for line in expected]
    assert [" ".join(line.split()) for line in typed.read_text().splitlines()] == [
        " ".join(line.split()) for line in wanted
    ]


def test_the_installation_ends_with_the_doctor():
    """The last command that is typed in the ten minutes, after the proof."""
    install = OPERATIONS.read_text().split("## Install in ten minutes")[1].split("\n## ")[0]
    assert re.findall(r"^\$ (stepdrain .*)$", install, re.MULTILINE) == [
        "stepdrain verify",
        "stepdrain doctor",
    ]
