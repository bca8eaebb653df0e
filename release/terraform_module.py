"""The Terraform module's variables, generated from the template's parameters so that they cannot drift.

python -m release.terraform_module [--check]
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
MODULE = ROOT / "terraform"
HEAD = "# Made from template.yaml's parameters by `make terraform`; do not edit.\n"
OWN = {"CreateLifecycleHooks": '"false"', "CreateLaunchHooks": '"false"'}
"""Parameters that the module sets itself: Terraform makes the hooks, so the stack must not."""
LISTS = ("GroupNames", "OtherClusterNames", "SubnetIds", "SecurityGroupIds")
"""Parameters that are comma-separated lists of names."""
LOOK_AROUND, REPEATED = re.compile(r"\(\?[=!<]"), re.compile(r"\{(?:\d+,)?(\d+)\}")
MOST_REPEATS = 1000
"""Terraform's regular expressions are RE2: no look-around, and nested repeats only up to 1,000 (Go's
regexp/syntax). CloudFormation checks the patterns that are left out here."""


class Template(yaml.SafeLoader):
    """A loader that ignores CloudFormation's short forms (!Ref), which parameters do not use."""


Template.add_multi_constructor("!", lambda _loader, _tag, _node: None)


def parameters(template: Path) -> dict[str, dict[str, Any]]:
    """The template's parameters, in its order."""
    loaded: dict[str, dict[str, Any]] = yaml.load(template.read_text("utf-8"), Template)["Parameters"]
    return loaded


def snake(name: str) -> str:
    """``drain_timeout`` for DrainTimeout, ``vpc_subnet_ids`` for VpcSubnetIds."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def variables_tf(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of variables.tf: type, description, default and validation of each variable."""
    return HEAD + "".join(_variable(name, found[name]) for name in found if name not in OWN)


def parameters_tf(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of parameters.tf, which turns variables into the stack's parameters."""
    width = max(map(len, found))
    lines = [f"    {name.ljust(width)} = {_argument(name, found[name])}" for name in found]
    return f"{HEAD}\nlocals {{\n  parameters = {{\n" + "\n".join(lines) + "\n  }\n}\n"


def _variable(name: str, parameter: Mapping[str, Any]) -> str:
    kind = _kind(name, parameter)
    rows = [("type", kind), ("description", json.dumps(str(parameter["Description"]), ensure_ascii=False))]
    if "Default" in parameter:
        rows.append(("default", _default(kind, parameter["Default"])))
    if parameter.get("NoEcho"):
        rows.append(("sensitive", "true"))
    width = max(len(key) for key, _ in rows)
    text = "\n".join(f"  {key.ljust(width)} = {value}" for key, value in rows)
    return f'\nvariable "{snake(name)}" {{\n{text}\n{_validation(name, kind, parameter)}}}\n'


def _kind(name: str, parameter: Mapping[str, Any]) -> str:
    if parameter["Type"] == "Number":
        return "number"
    if parameter["Type"].startswith(("List<", "CommaDelimitedList")) or name in LISTS:
        return "list(string)"
    return "bool" if set(map(str, parameter.get("AllowedValues", ()))) == {"true", "false"} else "string"


def _default(kind: str, default: Any) -> str:
    if kind == "list(string)":
        return json.dumps([item for item in str(default).split(",") if item])
    return str(default) if kind in ("number", "bool") else json.dumps(str(default))


def _argument(name: str, parameter: Mapping[str, Any]) -> str:
    if name in OWN:
        return OWN[name]
    value, kind = f"var.{snake(name)}", _kind(name, parameter)
    return (
        f'join(",", {value})'
        if kind == "list(string)"
        else value
        if kind == "string"
        else f"tostring({value})"
    )


def _validation(name: str, kind: str, parameter: Mapping[str, Any]) -> str:
    condition = _condition(name, kind, parameter)
    if not condition:
        return ""
    values = ", ".join(map(str, parameter.get("AllowedValues", ())))
    constraint = str(parameter.get("ConstraintDescription") or f"It is one of: {values}.")
    message = constraint[0].upper() + constraint[1:].rstrip(".") + "."
    return (
        f"\n  validation {{\n    condition     = {condition}\n"
        f"    error_message = {json.dumps(message, ensure_ascii=False)}\n  }}\n"
    )


def _condition(name: str, kind: str, parameter: Mapping[str, Any]) -> str:
    value = f"var.{snake(name)}"
    if kind == "number":
        bounds = [f"{value} {sign} {parameter[key]}" for key, sign in (("MinValue", ">="), ("MaxValue", "<="))
                  if key in parameter]  # fmt: skip
        return " && ".join(bounds)
    if kind == "bool":
        return ""
    if "AllowedValues" in parameter:
        return f"contains({json.dumps(list(map(str, parameter['AllowedValues'])))}, {value})"
    pattern = parameter.get("AllowedPattern")
    if not pattern or LOOK_AROUND.search(pattern) or prod(map(int, REPEATED.findall(pattern))) > MOST_REPEATS:
        return ""
    # CloudFormation matches the whole value, Terraform any part of it.
    whole = json.dumps(f"^(?:{pattern})$", ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
    if parameter["Type"] == "CommaDelimitedList":
        # CloudFormation matches each item of such a list (parameters-section-structure.html, AllowedPattern).
        return f"alltrue([for item in {value} : can(regex({whole}, item))])"
    text = f'join(",", {value})' if kind == "list(string)" else value
    return f"can(regex({whole}, {text}))"


def main(arguments: list[str]) -> int:
    """Write the two files, or compare them with ``--check``; returns the exit status."""
    found = parameters(ROOT / "template.yaml")
    fresh = {"variables.tf": variables_tf(found), "parameters.tf": parameters_tf(found)}
    stale = [name for name, text in fresh.items() if not _same(MODULE / name, text)]
    if arguments == ["--check"]:
        if stale:
            print(f"terraform/{' and terraform/'.join(stale)} are stale: run make terraform.")
        return 1 if stale else 0
    for name in stale:
        (MODULE / name).write_text(fresh[name], "utf-8")
    return 0


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
