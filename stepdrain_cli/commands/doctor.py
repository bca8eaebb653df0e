"""``stepdrain doctor``: which node groups are unprotected, and the command that fixes each."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import click
from botocore.exceptions import ClientError
from stepdrain.intake.lifecycle_events import TERMINATING
from stepdrain.rules.reasons import counted

from stepdrain_cli.accounts.account import Account, described, sandbox_of_groups, translated_errors
from stepdrain_cli.commands.options import DEFAULT_STACK, KUBECONFIG_HELP, stack_of, typed_flags
from stepdrain_cli.doctor import groups
from stepdrain_cli.doctor.groups import Finding, Group
from stepdrain_cli.doctor.survey import Doctor, Survey
from stepdrain_cli.terminal import interaction, tables
from stepdrain_cli.terminal.exits import DONE, FAILED, CommandError
from stepdrain_cli.terminal.files import FILE
from stepdrain_cli.terminal.output_formats import JSON, TABLE, YAML, output_option, print_document
from stepdrain_cli.verification.deployed import Deployed, deployed

HEAD = ["GROUP", "INSTANCES", "MANAGED BY", "LAUNCH HOOK", "TERMINATE HOOK", "COVERED BY", "WRONG"]
NOTE = "Sandbox: an embedded account with four groups, made for this command and gone after it."


@click.command("doctor")
@click.option("--cluster", metavar="NAME", help="The EKS cluster; the one that the stack serves if absent.")
@click.option(
    "--kubeconfig",
    type=FILE,
    help=f"{KUBECONFIG_HELP} Without it nodes and RBAC are not looked at.",
)
@click.option("--context", help="Context in the kubeconfig; its current one if absent.")
@click.option(
    "--region",
    metavar="REGION",
    envvar="AWS_REGION",
    show_envvar=True,
    help="AWS region; your configuration's if absent.",
)
@click.option(
    "--profile",
    metavar="NAME",
    envvar="AWS_PROFILE",
    show_envvar=True,
    help="Profile of your AWS configuration.",
)
@click.option(
    "--stack",
    metavar="NAME",
    envvar="STEPDRAIN_STACK",
    show_envvar=True,
    help="Stack it is in; that of samconfig.toml here, or stepdrain, if absent.",
)
@click.option("--fix", is_flag=True, help="Put the hooks that are missing or wrong, asking before each.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask.")
@click.option("--dry-run", is_flag=True, help="With --fix: print the commands instead of doing it.")
@click.option("--test-message", is_flag=True, help="Send a message to whoever gets those of failed drains.")
@click.option("--sandbox", is_flag=True, help="Use an embedded account; nothing persists.")
@output_option(TABLE, JSON, YAML)
def command(
    cluster: str | None,
    kubeconfig: str | None,
    context: str | None,
    region: str | None,
    profile: str | None,
    stack: str | None,
    fix: bool,
    yes: bool,
    dry_run: bool,
    test_message: bool,
    sandbox: bool,
    output: str,
) -> None:
    """Show every Auto Scaling group of a cluster, what protects it, what is wrong, and how to fix it.

    Hooks are shown as name, heartbeat/global timeout in seconds, default result; a managed node group has
    1800/172800 CONTINUE. Exit status 1: something is wrong.
    """
    with _account(region, profile, sandbox) as (account, own_kubeconfig):
        session, config = account.session, kubeconfig or own_kubeconfig
        # The embedded account has a stack of this name, whatever samconfig.toml says.
        asked = DEFAULT_STACK if sandbox else stack_of(stack, Path())
        if cluster and stack and not sandbox:
            _refuse_absent(session, stack)
        named = cluster or _cluster_of(session, asked)
        found = Doctor(session, named, asked, config, context).examine()
        if output in (JSON, YAML):
            print_document(found.to_document(), output)
        else:
            reached_by = f" --kubeconfig {shlex.quote(kubeconfig)}" if kubeconfig else ""
            _print(found, named, typed_flags() + reached_by)
        if test_message:
            _send_test_message(deployed(account, asked))
        if fix:
            _fix(session, found, yes=yes, dry_run=dry_run)
            return
        sys.exit(DONE if found.well else FAILED)


@contextlib.contextmanager
def _account(region: str | None, profile: str | None, sandbox: bool) -> Iterator[tuple[Account, str | None]]:
    if sandbox:
        click.echo(NOTE, err=True)
        with sandbox_of_groups() as found:
            yield found
        return
    with translated_errors():
        session = boto3.Session(region_name=region, profile_name=profile)
        yield Account(session, "", time.time, time.sleep), None


def _refuse_absent(session: boto3.Session, stack: str) -> None:
    """CommandError if a stack that somebody has named is not there; who may not look goes on."""
    with contextlib.suppress(ClientError):
        described(session, stack)


def _cluster_of(session: boto3.Session, stack: str) -> str:
    """The cluster that the stack serves; CommandError if there is none, or if there are several."""
    region = session.region_name
    try:
        given = described(session, stack).get("Parameters", ())
    except CommandError as absent:
        raise CommandError(
            f"Say which cluster with --cluster NAME, since no stack {stack} in region {region} says it; "
            f"`aws eks list-clusters --region {region}` lists them."
        ) from absent
    values: dict[str, str] = {
        parameter["ParameterKey"]: parameter.get("ParameterValue", "") for parameter in given
    }
    served = [values.get("ClusterName", ""), *values.get("OtherClusterNames", "").split(",")]
    names = [name.strip() for name in served if name.strip()]
    if not names:
        raise CommandError(f"Say which cluster with --cluster NAME: stack {stack} is not Stepdrain's.")
    if len(names) > 1:
        raise CommandError(f"Stack {stack} serves {' and '.join(names)}: say which with --cluster NAME.")
    return names[0]


def _send_test_message(installation: Deployed) -> None:
    """Have Notify send one; CommandError if it is not there or fails."""
    answer = installation.call("Notify", {"test": True})
    click.echo(
        f"Sent: {answer['subject']}\nWho should get it and does not has not confirmed the subscription."
    )


def _print(found: Survey, cluster: str, flags: str) -> None:
    if not found.groups:
        tables.say(f"No Auto Scaling group belongs to cluster {cluster}.")
    else:
        tables.show(HEAD, [_row(group) for group in found.groups])
    wrong = [(group.name, group.findings) for group in found.groups if group.findings]
    wrong += [(f"cluster {cluster}", tuple(found.findings))] if found.findings else []
    for where, findings in wrong:
        click.echo()
        for fixed_by in dict.fromkeys(finding.command for finding in findings):
            for finding in findings:
                if finding.command == fixed_by:
                    tables.say(f"{where}: {finding.what}")
            click.echo(f"  {fixed_by}")
    for text in found.unasked:
        click.echo()
        tables.say(f"Not checked: {text}")
    click.echo()
    what, *following = _summary(found, cluster, flags)
    tables.say(what)
    for line in following:
        click.echo(line)


def _row(group: Group) -> list[str]:
    return [
        group.name,
        str(group.instances),
        group.managed_by,
        group.launch,
        group.terminate,
        group.covered_by,
        str(len(group.findings)) if group.findings else "-",
    ]


def _summary(found: Survey, cluster: str, flags: str) -> list[str]:
    """What is not protected, and a line with what to do next if there is something."""
    bare = [group.name for group in found.groups if group.covered_by == "nothing"]
    part = f"{len(bare)} of {counted(len(found.groups), 'group')}"
    what = f"Not protected: {', '.join(bare)} ({part})." if bare else "Every group is protected."
    if bare and found.installed is None:
        return [what, "Next: install Stepdrain, as its README.md says; then ask the doctor again."]
    if _hooks(found):
        again = f"stepdrain doctor --cluster {cluster}{flags} --fix"
        return [what, f"Next: {again} puts the hooks, asking before each."]
    return [what] if found.well else [what, "Next: run the commands above."]


def _hooks(found: Survey) -> list[tuple[Group, Finding]]:
    """The first hook to put on each group whose events are taken.

    A hook that nobody listens to would hold each instance for half an hour.
    """
    fixable = [group for group in found.groups if all(finding.puts_hook for finding in group.findings)]
    return [(group, group.findings[0]) for group in fixable if group.findings]


def _fix(session: boto3.Session, found: Survey, *, yes: bool, dry_run: bool) -> None:
    hooks = _hooks(found)
    if hooks and not yes and not dry_run and not interaction.interactive():
        raise CommandError("Nobody can be asked here: add --yes to put the hooks without a question.")
    for group, finding in hooks:
        if dry_run:
            click.echo(finding.command)
            continue
        if not yes and not interaction.confirmed(f"Put the hook on {group.name}?"):
            continue
        _put(session, group.name, group.hook)
        click.echo(f"Put the hook on {group.name}.")
    if not hooks:
        click.echo("There is no hook to put.", err=True)


def _put(session: boto3.Session, group: str, hook: str) -> None:
    session.client("autoscaling").put_lifecycle_hook(
        AutoScalingGroupName=group,
        LifecycleHookName=hook,
        LifecycleTransition=TERMINATING,
        HeartbeatTimeout=groups.HEARTBEAT_S,
        DefaultResult=groups.DEFAULT_RESULT,
    )
