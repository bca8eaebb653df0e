"""``stepdrain verify``: proof that the deployed installation would drain a node, without draining one."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from botocore.exceptions import ClientError
from stepdrain.verification.findings import THE_VERSION

from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.name_completion import cluster_nodes
from stepdrain_cli.commands.options import KUBECONFIG_HELP, on_account, stack_of
from stepdrain_cli.terminal import tables
from stepdrain_cli.terminal.exits import DONE, FAILED, CommandError
from stepdrain_cli.terminal.files import FILE
from stepdrain_cli.terminal.node_argument import NODE
from stepdrain_cli.terminal.output_formats import JSON, TABLE, YAML, output_option, print_document
from stepdrain_cli.verification import checks, rehearsal, service_rights, subscribers, surroundings, versions
from stepdrain_cli.verification.checks import Check
from stepdrain_cli.verification.choice import chosen
from stepdrain_cli.verification.deployed import Deployed, deployed
from stepdrain_cli.verification.rehearsal import Rehearsal
from stepdrain_cli.verification.remedies import Remedies

HEAD = ["RESULT", "BY", "WHAT", "SAID"]
MARKDOWN = "markdown"


@click.command("verify")
@click.argument("node", type=NODE, metavar="[NODE]", required=False, shell_complete=cluster_nodes)
@on_account
@click.option("--message", is_flag=True, help="Send a test message to every subscriber, too.")
@click.option(
    "--kubeconfig",
    type=FILE,
    help=f"{KUBECONFIG_HELP} With it the manifests are compared, too.",
)
@click.option("--context", help="Context in the kubeconfig; its current one if absent.")
@output_option(TABLE, JSON, YAML, MARKDOWN)
def command(
    account: Account,
    node: str | None,
    message: bool,
    kubeconfig: str | None,
    context: str | None,
    output: str,
) -> None:
    """Rehearse a drain with the deployed state machine and functions, and check what they cannot see.

    Nothing is changed: reads are sent, and every write is only asked about. NODE is a node's name, its
    first label, or an instance id; without it an instance of the installation's groups is taken. Exit status
    1: there is something to fix.
    """
    stack = stack_of(click.get_current_context().params.get("stack"), Path())
    made = deployed(account, stack)
    if account.machine not in (made.ids["DrainNode"], made.live("DrainNode")):
        raise CommandError(
            f"State machine {account.machine} is not that of stack {stack}: name its stack with --stack."
        )
    rehearsed = chosen(account, node)
    click.echo(_heading(rehearsed, "Rehearsing a drain"), err=True)
    listed = found(made, rehearsed, kubeconfig, context)
    if message:
        listed.append(subscribers.message(made))
    heading = _heading(rehearsed, "stepdrain verify")
    if output == MARKDOWN:
        click.echo(checks.markdown(listed, heading))
    elif output in (JSON, YAML):
        print_document(
            {"well": checks.well(listed), "checks": [check.to_document() for check in listed]}, output
        )
    else:
        _print(listed)
    sys.exit(DONE if checks.well(listed) else FAILED)


def _heading(rehearsed: Rehearsal, what: str) -> str:
    return f"{what}: {rehearsed.cluster}, group {rehearsed.group}, instance {rehearsed.instance_id}"


def found(made: Deployed, rehearsed: Rehearsal, kubeconfig: str | None, context: str | None) -> list[Check]:
    """All checks of one rehearsal: the functions' findings first, then what the command looks at itself."""
    remedies = Remedies(made, rehearsed.cluster)
    # First, since the rehearsal of Sweep counts as a sweep for the alarm on its absence.
    around = list(surroundings.checks(made, rehearsed))
    listed = [
        versions.compared(finding) if finding.what == THE_VERSION else remedies.check(finding)
        for finding in rehearsal.findings(made, rehearsed, _say)
    ]
    listed.append(versions.template(made))
    listed += versions.in_cluster(made, rehearsed.rolls, kubeconfig, context)
    listed += _of_services(made, remedies)
    listed += around
    unique = {(check.what, check.by): check for check in reversed(listed)}
    return list(reversed(unique.values()))


def _of_services(made: Deployed, remedies: Remedies) -> list[Check]:
    """What services may do with the roles; one check that is UNKNOWN if the user may not ask IAM."""
    try:
        return [remedies.check(finding) for finding in service_rights.findings(made)]
    except ClientError as error:
        return [surroundings.unseen("what AWS services may do with the roles", error)]


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)


def _print(found: list[Check]) -> None:
    tables.show(HEAD, checks.rows(found), title="WHAT")
    for line in checks.commands(found):
        click.echo(f"\n  {line}")
    click.echo(f"\n{checks.verdict(found)}")
