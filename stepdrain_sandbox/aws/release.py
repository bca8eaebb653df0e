"""A released application: its template names a bucket for code, layer and definitions, here its folder.

The artefacts' keys end in the files' names, whatever stands before them in the bucket.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stepdrain_sandbox.aws.language_extensions import TemplateRefused

Json = dict[str, Any]
PARAMETERS = {"ArtifactBucket": "sandbox", "ArtifactPrefix": ""}
"""What a released template asks for besides; here the bucket is the folder."""


def is_released(document: Mapping[str, Any]) -> bool:
    """Whether the template names its artefacts by bucket and key."""
    return "ArtifactBucket" in document.get("Parameters", {})


def key_name(location: str | Mapping[str, Any]) -> str:
    """The file's name in a local path, or at the end of a key: ``{"Key": {"Fn::Sub": "${Prefix}name"}}``."""
    if isinstance(location, str):
        return Path(location).name
    key = location["Key"]
    return str(key if isinstance(key, str) else key["Fn::Sub"]).rsplit("}", 1)[-1].rsplit("/", 1)[-1]


def check_artefacts(document: Mapping[str, Any], folder: Path) -> None:
    """TemplateRefused, naming each artefact of the released template that ``folder`` does not hold."""
    missing = sorted({name for name in _named(document) if not (folder / name).is_file()})
    if missing:
        raise TemplateRefused(
            f"The template names {', '.join(missing)}, and {folder} does not hold "
            f"{'it' if len(missing) == 1 else 'them'}: unpack the whole release there."
        )


def _named(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if {"Bucket", "Key"} <= set(node):
            yield key_name(node)
            return
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from _named(one)
