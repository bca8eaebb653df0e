"""A released application: its template has code, layer and definitions in a bucket, here in its folder.

The artefacts' keys end in the file names, after any prefix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stepdrain_sandbox.aws.language_extensions import TemplateRefused

Json = dict[str, Any]
PARAMETERS = {"ArtifactBucket": "sandbox", "ArtifactPrefix": ""}
"""Additional parameters of a released template; here the folder replaces the bucket."""


def is_released(document: Mapping[str, Any]) -> bool:
    """Whether the template names its artefacts by bucket and key."""
    return "ArtifactBucket" in document.get("Parameters", {})


def key_name(location: str | Mapping[str, Any]) -> str:
    """The file name in a local path, or at the end of a key: ``{"Key": {"Fn::Sub": "${Prefix}name"}}``."""
    if isinstance(location, str):
        return Path(location).name
    key = location["Key"]
    return str(key if isinstance(key, str) else key["Fn::Sub"]).rsplit("}", 1)[-1].rsplit("/", 1)[-1]


def check_artefacts(document: Mapping[str, Any], folder: Path) -> None:
    """Raise TemplateRefused with the names of the released template's artefacts that ``folder`` lacks."""
    missing = sorted({name for name in _named(document) if not (folder / name).is_file()})
    if missing:
        raise TemplateRefused(
            f"The template needs {', '.join(missing)}, but {folder} does not have "
            f"{'it' if len(missing) == 1 else 'them'}: unpack the whole release there."
        )


def _named(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if {"Bucket", "Key"} <= set(node):
            yield key_name(node)
            return
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _named(item)
