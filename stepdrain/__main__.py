"""``stepdrain``: what an operator types. Data goes to stdout, progress to stderr.

Exit statuses: 0 done · 1 the drain failed or was stopped · 2 wrong usage or input
· 3 the drain was refused by the policy · 4 the deadline passed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from drain import VERSION
from drain.errors import DrainError
from drain.kube import Kube, connect_by_kubeconfig
from drain.policy import Policy
from rich.console import Console
from rich.table import Table

from stepdrain.plan import Plan, plan

DONE, FAILED, USAGE, REFUSED, TIMED_OUT = range(5)
F = TypeVar("F", bound=Callable[..., Any])
KUBECONFIG_HELP = "Kubeconfig file of the cluster."


class Sentence(click.ClickException):
    """What went wrong in one sentence, and the exit status that says of what kind it was."""

    def __init__(self, message: str, status: int = USAGE) -> None:
        super().__init__(message)
        self.exit_code = status


def _policy(_context: click.Context, _parameter: click.Parameter, pairs: tuple[str, ...]) -> Policy:
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
            callback=_policy,
            metavar="NAME=VALUE",
            help=f"May be repeated. Names: {', '.join(Policy().to_document())}.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="stepdrain")
def cli() -> None:
    """Graceful drains for Kubernetes nodes, state by state."""


@cli.command("plan")
@on_cluster
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan_command(node: str, kubeconfig: str, context: str | None, policy: Policy, as_json: bool) -> None:
    """Show what a drain of NODE would do with each pod, and what would block it. Changes nothing."""
    found = plan(_connect(kubeconfig, context), node, policy)
    if found is None:
        raise no_such_node(node)
    if as_json:
        click.echo(json.dumps(found.to_document(), indent=2))
    else:
        _print(found)


@cli.command("run")
@on_cluster
@click.option("--out", metavar="DIR", help="Write history.json and result.json there.")
def run_command(node: str, kubeconfig: str, context: str | None, policy: Policy, out: str | None) -> None:
    """Drain NODE now, through the same state machine and functions as on AWS, without AWS.

    Works on any cluster the kubeconfig names. Progress goes to stderr, the result as JSON to stdout.
    """
    if _connect(kubeconfig, context).node(node) is None:
        raise no_such_node(node)
    # Imported here: the engine takes seconds to load, and only this command needs it.
    from stepdrain.run import drain  # noqa: PLC0415

    result = drain(node, kubeconfig, context, policy, lambda line: click.echo(line, err=True))
    if out:
        _write(Path(out), {"history.json": {"events": result.history}, "result.json": result.to_document()})
    click.echo(json.dumps(result.to_document(), indent=2))
    sys.exit(_status(result.status, result.error))


def _status(status: str, error: str) -> int:
    if status == "SUCCEEDED":
        return DONE
    return {"DrainRefused": REFUSED, "DrainTimedOut": TIMED_OUT}.get(error, FAILED)


def _write(folder: Path, files: dict[str, Any]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(
                json.dumps(content, indent=2, default=lambda one: one.isoformat()) + "\n"
            )
    except OSError as error:
        raise Sentence(f"{folder} cannot be written: {error.strerror}.") from error


def no_such_node(node: str) -> Sentence:
    """The sentence for a node name that does not exist."""
    return Sentence(f"The cluster has no node called {node}; `kubectl get nodes` lists their names.")


def _connect(kubeconfig: str, context: str | None) -> Kube:
    return connect_by_kubeconfig(kubeconfig, context)


def _print(found: Plan) -> None:
    table = Table("WAVE", "VERDICT", "POD", "GRACE", "REASON", box=None, pad_edge=False, header_style="")
    for line in found.lines:
        wave = "-" if line.wave is None else str(line.wave)
        table.add_row(wave, line.verdict, line.pod, f"{line.grace_s}s", line.reason)
    # A pipe gets whole lines whatever the terminal's width was; a person gets wrapped ones.
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    console.print(table)
    held = f"; {len(found.blocked)} would hold the drain up now" if found.blocked else ""
    moving = sum(line.wave is not None for line in found.lines)
    console.print(f"\n{moving} of {len(found.lines)} pods would leave {found.node}{held}.")


def main() -> None:
    """The entry point: a domain error becomes its sentence, never a traceback."""
    try:
        cli.main(prog_name="stepdrain", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        sys.exit("stepdrain: interrupted")
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except DrainError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(USAGE)


if __name__ == "__main__":
    main()
