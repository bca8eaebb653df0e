"""Whether a document fits its JSON schema, and which field does not."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema

from stepdrain.errors import InvalidEvent


@cache
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    text = files("stepdrain.schemas").joinpath(f"{schema}.json").read_text()
    return jsonschema.Draft202012Validator(json.loads(text))


def validate(schema: str, document: Any) -> None:
    """Raise InvalidEvent naming the first field of ``document`` that schemas/<schema>.json refuses."""
    error = jsonschema.exceptions.best_match(_validator(schema).iter_errors(document))
    if error is not None:
        where = ".".join(map(str, error.absolute_path)) or "the event itself"
        raise InvalidEvent(f"The event does not fit {schema}.json at {where}: {error.message[:300]}.")
