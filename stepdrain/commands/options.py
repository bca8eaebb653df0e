"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from drain.errors import DrainError
from drain.policy import Policy

from stepdrain.sentence import Sentence

F = TypeVar("F", bound=Callable[..., Any])
KUBECONFIG_HELP = "Kubeconfig file of the cluster."
POLICY_HELP = f"May be repeated. Names: {', '.join(Policy().to_document())}."
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def policy_of(_context: click.Context, _parameter: click.Parameter, pairs: tuple[str, ...]) -> Policy:
    """The policy that ``--policy NAME=VALUE`` gives; click.BadParameter for anything else."""
    document = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise click.BadParameter(f"{pair!r} is not of the form name=value.")
        document[name] = value
    try:
        return Policy.from_document(document)
    except DrainError as error:
        raise click.BadParameter(str(error)) from error


def on_cluster(command: F) -> F:
    """The options of every command that talks to a cluster through a kubeconfig."""
    options = [
        click.argument("node"),
        click.option("--kubeconfig", required=True, help=KUBECONFIG_HELP, metavar="FILE"),
        click.option("--context", help="Context in the kubeconfig; its current one if absent."),
        click.option(
            "--policy",
            multiple=True,
            callback=policy_of,
            metavar="NAME=VALUE",
            help=POLICY_HELP,
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def no_such_node(node: str) -> Sentence:
    """The sentence for a node name that does not exist."""
    return Sentence(f"The cluster has no node called {node}; `kubectl get nodes` lists their names.")
