"""Options that several commands share."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import click
from stepdrain.errors import DrainError
from stepdrain.rules.policy import Policy

from stepdrain_cli.account import Account, on_aws, on_sandbox
from stepdrain_cli.exits import CommandError

F = TypeVar("F", bound=Callable[..., Any])
SANDBOX_NOTE = "Sandbox: an embedded account with three drains, made for this command and gone after it."
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


def no_such_node(node: str) -> CommandError:
    """The sentence for a node name that does not exist."""
    return CommandError(f"The cluster has no node called {node}; `kubectl get nodes` lists their names.")


def account_options(command: F) -> F:
    """The options that say which account; they arrive as the keywords that ``opened`` takes."""
    options = [
        click.option("--region", metavar="REGION", help="AWS region; your configuration's if absent."),
        click.option("--profile", metavar="NAME", help="Profile of your AWS configuration."),
        click.option(
            "--stack", default="stepdrain", show_default=True, metavar="NAME", help="Stack it is in."
        ),
        click.option("--state-machine", metavar="ARN", help="Instead of looking into the stack."),
        click.option("--sandbox", is_flag=True, help="Use an embedded account; nothing persists."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@contextlib.contextmanager
def opened(
    region: str | None, profile: str | None, stack: str, state_machine: str | None, sandbox: bool
) -> Iterator[Account]:
    """The account that the options name."""
    if sandbox:
        click.echo(SANDBOX_NOTE, err=True)
    with on_sandbox() if sandbox else on_aws(region, profile, stack, state_machine) as found:
        yield found


def on_account(command: F) -> F:
    """The options of every command that works in an account; the command gets it as ``account``."""

    @functools.wraps(command)
    def with_account(
        region: str | None,
        profile: str | None,
        stack: str,
        state_machine: str | None,
        sandbox: bool,
        **arguments: Any,
    ) -> Any:
        with opened(region, profile, stack, state_machine, sandbox) as account:
            return command(account=account, **arguments)

    return cast(F, account_options(with_account))
