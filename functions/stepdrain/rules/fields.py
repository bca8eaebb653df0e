"""Fields of objects that others have written; one of another form than the API's counts as not set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mapping(value: Any) -> Mapping[str, Any]:
    """``value`` if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The JSON objects in ``value`` if it is a list, else none."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def texts(value: Any) -> Mapping[str, str]:
    """The texts in ``value`` by their keys, as labels and annotations are."""
    return {key: text for key, text in mapping(value).items() if isinstance(text, str)}
