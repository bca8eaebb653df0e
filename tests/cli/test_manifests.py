"""``stepdrain manifests``: what an administrator applies, without the repository."""

import pytest
import yaml
from click.testing import CliRunner

from stepdrain_cli.__main__ import cli
from stepdrain_cli.clusters import manifests
from stepdrain_sandbox.world import rbac_manifests


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
    """A command that applies another one would mend nothing."""
    assert manifests.granting(right) == name
