"""Options that several commands share."""

from __future__ import annotations

import contextlib
import functools
import shlex
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource
from stepdrain.errors import DrainError
from stepdrain.rules.policy import Policy

from stepdrain_cli.accounts.name_completion import cluster_nodes
from stepdrain_cli.terminal.exits import CommandError
from stepdrain_cli.terminal.files import FILE
from stepdrain_cli.terminal.node_argument import NODE

if TYPE_CHECKING:
    from stepdrain_cli.accounts.account import Account

DEFAULT_STACK = "stepdrain"
F = TypeVar("F", bound=Callable[..., Any])
SANDBOX_NOTE = "Sandbox: an embedded account with three drains, made for this command and gone after it."
KUBECONFIG_HELP = "Kubeconfig file of the cluster."
POLICY_HELP = f"May be repeated. Names: {', '.join(Policy().to_document())}."


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


def typed_policy(
    context: click.Context, parameter: click.Parameter, pairs: tuple[str, ...]
) -> dict[str, Any]:
    """Only what ``--policy NAME=VALUE`` says, as it stands in an execution's input."""
    whole = policy_of(context, parameter, pairs).to_document()
    return {name: whole[name] for name in (pair.partition("=")[0] for pair in pairs)}


def on_cluster(command: F) -> F:
    """The options of every command that talks to a cluster through a kubeconfig."""
    options = [
        click.argument("node", type=NODE, shell_complete=cluster_nodes),
        click.option(
            "--kubeconfig",
            help=f"{KUBECONFIG_HELP} As kubectl finds it if absent: KUBECONFIG, ~/.kube/config.",
            type=FILE,
        ),
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


def no_such_node(node: str, where: str = "The cluster") -> CommandError:
    """The sentence for a NODE that ``where`` does not have; what was typed to reach it is repeated."""
    return CommandError(
        f"{where} has no node whose name, first label or instance id is {node}; "
        f"`kubectl get nodes{typed_cluster()}` lists their names."
    )


def typed_cluster() -> str:
    """The options that say which cluster, as they were typed; "" if none was."""
    context = click.get_current_context(silent=True)
    typed = [
        f" --{option} {shlex.quote(value)}"
        for option in ("kubeconfig", "context")
        if context and (value := context.params.get(option))
    ]
    return "".join(typed)


def account_options(command: F) -> F:
    """The options that say which account; they arrive as the keywords that ``opened`` takes."""
    options = [
        click.option(
            "--region",
            metavar="REGION",
            envvar="AWS_REGION",
            show_envvar=True,
            help="AWS region; your configuration's if absent.",
        ),
        click.option(
            "--profile",
            metavar="NAME",
            envvar="AWS_PROFILE",
            show_envvar=True,
            help="Profile of your AWS configuration.",
        ),
        click.option(
            "--stack",
            metavar="NAME",
            envvar="STEPDRAIN_STACK",
            show_envvar=True,
            help="Stack it is in; that of samconfig.toml here, or stepdrain, if absent.",
        ),
        click.option(
            "--state-machine",
            metavar="ARN",
            envvar="STEPDRAIN_STATE_MACHINE",
            show_envvar=True,
            help="Instead of looking into the stack. A typed --stack overrules the variable.",
        ),
        click.option("--sandbox", is_flag=True, help="Use an embedded account; nothing persists."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def stack_of(given: str | None, folder: Path) -> str:
    """The stack's name: what is given, what ``samconfig.toml`` in ``folder`` says, or stepdrain.

    CommandError if the file cannot be read.
    """
    path = folder / "samconfig.toml"
    if given or not path.exists():
        return given or DEFAULT_STACK
    try:
        said = tomllib.loads(path.read_text()).get("default", {})
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read ({error}); give --stack.") from error
    named = [said.get(part, {}).get("parameters", {}).get("stack_name") for part in ("deploy", "global")]
    return next(filter(None, named), DEFAULT_STACK)


@contextlib.contextmanager
def opened(
    region: str | None, profile: str | None, stack: str | None, state_machine: str | None, sandbox: bool
) -> Iterator[Account]:
    """The account that the options name."""
    # Imported here: boto3 takes a while to load, and the commands of a cluster need none.
    from stepdrain_cli.accounts import account  # noqa: PLC0415

    if sandbox:
        click.echo(SANDBOX_NOTE, err=True)
        with account.on_sandbox(typed_flags()) as found:
            yield found
        return
    named, machine = stack_of(stack, Path()), None if _overruled("state_machine", "stack") else state_machine
    with account.on_aws(region or None, profile or None, named, machine or None, typed_flags()) as found:
        yield found


def _overruled(name: str, other: str) -> bool:
    """Whether the option ``name`` comes from the environment, and ``other``, which says more, was typed."""
    context = click.get_current_context(silent=True)
    return (
        context is not None
        and context.get_parameter_source(name) is ParameterSource.ENVIRONMENT
        and context.get_parameter_source(other) is ParameterSource.COMMANDLINE
    )


def typed_flags() -> str:
    """The account's options that stood on the command line, as they are typed again; "" if none did."""
    context = click.get_current_context(silent=True)
    if context is None:
        return ""
    typed = []
    for name in ("region", "profile", "stack", "state_machine", "sandbox"):
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        option, value = f"--{name.replace('_', '-')}", context.params.get(name)
        typed.append(option if value is True else f"{option} {shlex.quote(str(value))}")
    return "".join(f" {word}" for word in typed)


def on_account(command: F) -> F:
    """The options of every command that works in an account; the command gets it as ``account``."""

    @functools.wraps(command)
    def with_account(
        region: str | None,
        profile: str | None,
        stack: str | None,
        state_machine: str | None,
        sandbox: bool,
        **arguments: Any,
    ) -> Any:
        with opened(region, profile, stack, state_machine, sandbox) as account:
            return command(account=account, **arguments)

    return cast(F, account_options(with_account))
