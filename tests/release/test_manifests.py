"""The cluster's manifests as people apply them: plain, by kustomize, by Helm."""

from pathlib import Path

import yaml

from release.manifests import optional, write_chart, write_plain

FOLDER = Path(__file__).parents[2] / "kubernetes"


def test_the_base_holds_what_every_installation_needs(tmp_path):
    """Each other manifest is a component that a parameter of the stack goes with."""
    write_plain(FOLDER, tmp_path / "base")
    base = yaml.safe_load((tmp_path / "base" / "kustomization.yaml").read_text())
    assert base["resources"] == ["rbac.yaml"]
    components = sorted(path.name for path in (tmp_path / "base" / "components").iterdir())
    assert components == optional(FOLDER) != []
    for name in components:
        component = yaml.safe_load(
            (tmp_path / "base" / "components" / name / "kustomization.yaml").read_text()
        )
        assert component["kind"] == "Component"
        assert all(
            (tmp_path / "base" / "components" / name / resource).exists()
            for resource in component["resources"]
        )


def test_the_chart_renders_the_manifests_as_they_are(tmp_path):
    """A Helm user gets the same rights, file by file, and nothing optional unless it is switched on."""
    write_chart(FOLDER, tmp_path / "chart", "1.2.3")
    chart = yaml.safe_load((tmp_path / "chart" / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"], chart["apiVersion"]) == ("1.2.3", "1.2.3", "v2")
    values = yaml.safe_load((tmp_path / "chart" / "values.yaml").read_text())
    assert values
    assert not any(values.values())
    templates = tmp_path / "chart" / "templates"
    assert (templates / "rbac.yaml").read_text() == (FOLDER / "rbac.yaml").read_text()
    for name in optional(FOLDER):
        lines = (templates / f"{name}.yaml").read_text().splitlines()
        assert "\n".join(lines[1:-1]) == (FOLDER / f"{name}.yaml").read_text().rstrip("\n")
        assert lines[0].startswith("{{- if .Values.")


def test_no_manifest_holds_what_helm_would_read_as_a_template():
    """Two braces in a comment would be run as code."""
    assert not [path for path in FOLDER.glob("*.yaml") if "{{" in path.read_text()]
