"""Checks a document against its JSON schema, and names the field that does not fit."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema
from referencing import Registry, Resource

from stepdrain.errors import InvalidEvent

SHARED = "definitions"
"""The schema that holds the definitions shared by the others."""


@cache
def _read(schema: str) -> Any:
    return json.loads(files("stepdrain.schemas").joinpath(f"{schema}.json").read_text())


@cache
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    shared: Resource[Any] = Resource.from_contents(_read(SHARED))
    return jsonschema.Draft202012Validator(_read(schema), registry=shared @ Registry())


def validate(schema: str, document: Any) -> None:
    """Raise InvalidEvent, with the field's name, if ``document`` does not fit schemas/<schema>.json."""
    error = jsonschema.exceptions.best_match(_validator(schema).iter_errors(document))
    if error is not None:
        where = ".".join(map(str, error.absolute_path)) or "the event itself"
        raise InvalidEvent(f"The event does not fit {schema}.json at {where}: {error.message[:300]}.")
