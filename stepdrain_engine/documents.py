"""JSON documents by path: reading, writing, and templates whose keys end in ``.$``. Pure.

https://states-language.net/spec.html#ref-paths — names and indices; ``$`` is the document, ``$$`` the
context.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

PATH = re.compile(r"\$\$?(?:\.[A-Za-z_][\w-]*|\['[^']*'\]|\[\d+\])*")
STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\['([^']*)'\]|\[(\d+)\]")


class NotFound(LookupError):
    """A path leads nowhere in its document."""


def read(path: str, document: Any, context: Mapping[str, Any]) -> Any:
    """What stands at a path; raises NotFound if there is nothing."""
    value: Any = context if path.startswith("$$") else document
    for name, quoted, index in STEP.findall(path):
        try:
            value = value[int(index)] if index else value[name or quoted]
        except (KeyError, IndexError, TypeError):
            raise NotFound(f"there is no {path}") from None
    return value


def write(path: str | None, document: Any, value: Any) -> Any:
    """The document with ``value`` at a path (``$.a.b``): a copy, whose own branches are new.

    ``$`` replaces the document, None (ResultPath: null) drops the value.
    """
    if path is None:
        return document
    steps = [name or quoted for name, quoted, _ in STEP.findall(path)]
    if not steps:
        return value
    root = dict(document) if isinstance(document, dict) else {}
    branch = root
    for name in steps[:-1]:
        inner = branch.get(name)
        branch[name] = dict(inner) if isinstance(inner, dict) else {}
        branch = branch[name]
    branch[steps[-1]] = value
    return root


def filled(template: Any, document: Any, context: Mapping[str, Any]) -> Any:
    """A template with each ``"name.$": path`` replaced by ``"name"`` and what stands at the path.

    Raises NotFound for a path that leads nowhere.
    """
    if isinstance(template, list):
        return [filled(item, document, context) for item in template]
    if not isinstance(template, dict):
        return copy.copy(template)
    made = {}
    for key, value in template.items():
        if key.endswith(".$"):
            made[key.removesuffix(".$")] = read(value, document, context)
        else:
            made[key] = filled(value, document, context)
    return made
