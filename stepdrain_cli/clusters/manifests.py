"""What an administrator applies to a cluster: RBAC manifests of this version, and who is in which group."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

import yaml

from stepdrain_deployed import MANIFESTS

NAMES = ("rbac", "force", "roll", "node-conditions")
"""As their files in kubernetes/ are called."""
USUAL = ("rbac", "force")
"""Those for an installation with the template's own defaults."""
PREFIX = "stepdrain"
"""The parameter KubernetesGroupPrefix where it is not given."""
SUBJECT = re.compile(rf"(kind: Group\n\s+name: ){PREFIX}-")
READ = ("read",)
FUNCTION_GROUPS: Mapping[str, tuple[str, ...]] = {
    "Label": ("nodes",),
    "Cordon": ("read", "nodes"),
    "Uncordon": ("read", "nodes"),
    "EvictBatch": ("read", "evict", "roll"),
}
"""Groups of a function's access entry, where they are not read alone, as template.yaml has them."""
SHOW_CONDITIONS = (
    "Cordon",
    "Uncordon",
    "EvictBatch",
    "WaitForPods",
    "WaitForVolumes",
    "WaitForTargets",
    "Notify",
)


def text(names: Iterable[str], prefix: str = PREFIX) -> str:
    """The manifests as one YAML stream, bound to groups that begin with ``prefix``."""
    files = [(MANIFESTS / f"{name}.yaml").read_text() for name in names]
    return SUBJECT.sub(rf"\g<1>{prefix}-", "---\n".join(files))


def command(names: Iterable[str], prefix: str = PREFIX) -> str:
    """What to type to apply them."""
    option = f" --group-prefix {prefix}" if prefix != PREFIX else ""
    return f"stepdrain manifests {' '.join(names)}{option} | kubectl apply -f -"


def groups(function: str, prefix: str = PREFIX, *, force: bool = True, conditions: bool = False) -> list[str]:
    """The groups of a function's access entry, for the parameters AllowForce and NodeConditions."""
    names = list(FUNCTION_GROUPS.get(function, READ))
    if force and function == "EvictBatch":
        names.append("force")
    if conditions and function in SHOW_CONDITIONS:
        names.append("node-conditions")
    return [f"{prefix}-{name}" for name in names]


def create_entry(region: str, cluster: str, principal: str, named: Iterable[str]) -> str:
    """What to type to make an access entry as template.yaml does; ``principal`` is the role's ARN."""
    return (
        f"aws eks create-access-entry --region {region} --cluster-name {cluster} --principal-arn {principal} "
        f"--type STANDARD --username 'stepdrain:{{{{SessionName}}}}' --kubernetes-groups {' '.join(named)}"
    )


@cache
def granting(right: str) -> str:
    """The manifest that grants ``patch nodes/status`` or ``get deployments.apps``; rbac if none does."""
    return next((name for name in NAMES if right in _rights(name)), NAMES[0])


def _rights(name: str) -> set[str]:
    documents = yaml.safe_load_all((MANIFESTS / f"{name}.yaml").read_text())
    return {
        f"{verb} {resource}.{group}".rstrip(".")
        for document in documents
        for rule in document.get("rules", ())
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for group in rule["apiGroups"]
    }
