"""What a cluster administrator applies: plain manifests, a kustomize base and a Helm chart."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import yaml

REQUIRED = "rbac.yaml"
"""Always applied; every other file in kubernetes/ belongs to a parameter of the template."""


def manifests(folder: Path) -> list[Path]:
    """The manifest files in ``folder``."""
    return sorted(path for path in folder.glob("*.yaml") if path.name != "kustomization.yaml")


def optional(folder: Path) -> list[str]:
    """The names, without .yaml, of the manifests that an installation may leave out."""
    return sorted(path.stem for path in manifests(folder) if path.name != REQUIRED)


def write_plain(folder: Path, target: Path) -> None:
    """Copy the manifests in ``folder``; kustomize: the required manifest is the base, others components."""
    target.mkdir(parents=True)
    for path in manifests(folder):
        shutil.copyfile(path, target / path.name)
    _dump(target / "kustomization.yaml", _kustomization("Kustomization", [REQUIRED]))
    for name in optional(folder):
        component = target / "components" / name
        component.mkdir(parents=True)
        shutil.copyfile(folder / f"{name}.yaml", component / f"{name}.yaml")
        _dump(component / "kustomization.yaml", _kustomization("Component", [f"{name}.yaml"]))


def _kustomization(kind: str, resources: Iterable[str]) -> dict[str, object]:
    version = "v1beta1" if kind == "Kustomization" else "v1alpha1"
    return {"apiVersion": f"kustomize.config.k8s.io/{version}", "kind": kind, "resources": list(resources)}


def write_chart(folder: Path, target: Path, version: str) -> None:
    """Write the Helm chart ``target``, with a switch (off by default) for each optional manifest."""
    (target / "templates").mkdir(parents=True)
    chart = {
        "apiVersion": "v2",
        "name": "stepdrain-rbac",
        "description": "What Stepdrain may do in a cluster. It runs nothing there.",
        "type": "application",
        "version": version,
        "appVersion": version,
    }
    _dump(target / "Chart.yaml", chart)
    switches = {_camel(name): False for name in optional(folder)}
    (target / "values.yaml").write_text(
        "# Each switch belongs to a parameter of the stack; docs/operations.md says to which.\n"
        + yaml.safe_dump(switches, sort_keys=True)
    )
    shutil.copyfile(folder / REQUIRED, target / "templates" / REQUIRED)
    for name in optional(folder):
        text = (folder / f"{name}.yaml").read_text("utf-8")
        guarded = f"{{{{- if .Values.{_camel(name)} }}}}\n{text}{{{{- end }}}}\n"
        (target / "templates" / f"{name}.yaml").write_text(guarded)


def _camel(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(word.title() for word in rest)


def _dump(path: Path, document: dict[str, object]) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False))
