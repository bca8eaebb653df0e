"""``-o``: what a command found, for a person or for a program."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click
import yaml

F = TypeVar("F", bound=Callable[..., Any])
TABLE, WIDE, JSON, YAML = "table", "wide", "json", "yaml"


def output_option(*formats: str) -> Callable[[F], F]:
    """``-o FORMAT``, the first of ``formats`` by default; ``--json`` is short for ``-o json``."""

    def add(command: F) -> F:
        command = click.option("--json", "output", flag_value=JSON, help="The same as -o json.")(command)
        return click.option(
            "-o",
            "--output",
            "output",
            type=click.Choice(formats),
            default=formats[0],
            show_default=True,
            help="How to print it.",
        )(command)

    return add


def print_document(document: Any, output: str) -> None:
    """Print a document of plain values as JSON or YAML."""
    if output == YAML:
        click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)
    else:
        click.echo(json.dumps(document, indent=2))
