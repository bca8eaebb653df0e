"""``stepdrain undo``: take back what a drain has set on a node."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import click
from stepdrain.adapters.kube import Kube
from stepdrain.errors import DrainError, KubeConflict
from stepdrain.rules import node_marks, nodes
from stepdrain.rules.node_marks import Marks
from stepdrain.states.find_node import reference
from stepdrain.states.uncordon import undo

from stepdrain_cli.accounts import drain_lookup, drains
from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.held_instances import warn_of_its_end
from stepdrain_cli.accounts.installation import cluster_of, installed
from stepdrain_cli.accounts.name_completion import drained_nodes
from stepdrain_cli.accounts.node_names import named_node
from stepdrain_cli.clusters.cluster import access
from stepdrain_cli.commands.options import account_options, no_such_node, opened
from stepdrain_cli.terminal.exits import FAILED, NO_ACCESS, CommandError
from stepdrain_cli.terminal.files import FILE
from stepdrain_cli.terminal.interaction import ask
from stepdrain_cli.terminal.node_argument import NODE

Json = dict[str, Any]
CHANGED_MEANWHILE = 4
"""How often a node may have been changed while it was undone, e.g. by another undo."""


@click.command("undo")
@click.argument("target", type=NODE, metavar="NODE", shell_complete=drained_nodes)
@click.option("--kubeconfig", type=FILE, help="Reach the cluster by this, instead of by EKS.")
@click.option("--context", help="Context in the kubeconfig; its current one if absent.")
@click.option(
    "--local", is_flag=True, help="The drain was a `stepdrain run`: ask no account, only the cluster."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@account_options
def command(
    target: str, kubeconfig: str | None, context: str | None, local: bool, yes: bool, **options: Any
) -> None:
    """Take back from NODE what a drain has set: load balancer label, cordon, annotations and conditions.

    What somebody else has set stays, and a node whose drain runs is left alone. An instance that a lifecycle
    hook holds is terminated all the same: when, and how to hold it longer, is said. Where the cluster cannot
    be reached from here, the kubectl commands are printed instead, with exit status 5.
    """
    if local:
        cluster = access(kubeconfig, context).kube()
        _undo(cluster, _there(cluster, target), None, yes)
        return
    with opened(**options) as account:
        if kubeconfig or context:
            cluster = access(kubeconfig, context).kube()
            _undo(cluster, _there(cluster, target), account, yes)
        else:
            _in_the_account(account, target, yes)


def _in_the_account(account: Account, target: str, yes: bool) -> None:
    why: DrainError | None = None
    clusters = installed(account).clusters
    for name in clusters:
        try:
            cluster = cluster_of(account, name)
            node = named_node(cluster, target)
            if node is not None:
                _undo(cluster, node, account, yes)
                return
        except DrainError as error:
            why = error
    if why is None:
        raise no_such_node(target, f"Cluster {' and '.join(clusters)}")
    _print_commands(account, target, why)


def _there(cluster: Kube, target: str) -> Mapping[str, Any]:
    node = named_node(cluster, target)
    if node is None:
        raise no_such_node(target)
    return node


def _undo(cluster: Kube, node: Mapping[str, Any], account: Account | None, yes: bool) -> None:
    """Take it back; without an account neither its drains nor its lifecycle hooks are known."""
    name, found = node["metadata"]["name"], node_marks.marks_of(node)
    running = drains.running(account) if account else frozenset()
    if account and (holder := node_marks.held_by(node, running)):
        raise CommandError(
            f"The drain {holder} of node {name} runs: stop it first, `stepdrain stop {name}{account.flags}`.",
            FAILED,
        )
    goes_on = warn_of_its_end(account, nodes.ec2_instance_of(node)) if account else []
    if not found.owners:
        click.echo(f"Nothing on node {name} was set by a drain.{_others(node)}")
    else:
        what = ", ".join(node_marks.undo(node).what)
        ask(f"Take back {what} of node {name}?", yes, "Nothing was changed.")
        done = _taken_back(cluster, node, running)
        click.echo(f"Undone on node {name}: {', '.join(done) or 'nothing'}.{_others(node)}")
        click.echo(f"Set by: {', '.join(sorted(found.owners))}", err=True)
    for line in goes_on:
        click.echo(line, err=True)


def _taken_back(cluster: Kube, node: Mapping[str, Any], running: frozenset[str]) -> list[str]:
    """What was undone. A node that somebody changes in the same moment is read again."""
    for _ in range(CHANGED_MEANWHILE):
        with contextlib.suppress(KubeConflict):
            return undo(cluster, reference(node), lambda _owners: running)[0]
    return undo(cluster, reference(node), lambda _owners: running)[0]


def _others(node: Mapping[str, Any]) -> str:
    """What stays, since it is somebody else's."""
    left = reference(node)
    stays = [("its label", left.excluded), ("its cordon", left.cordoned)]
    named = " and ".join(what for what, there in stays if there)
    return f" Somebody else has set {named}, which stays." if named else ""


def _print_commands(account: Account, target: str, why: DrainError) -> None:
    """For a person with a kubectl that reaches the cluster: what the node's last drain has set."""
    drain = drain_lookup.find(account, target)
    if drain.status in drains.RUNNING:
        raise CommandError(
            f"The drain of {drain.who} runs: stop it first, `stepdrain stop {drain.who}{account.flags}`.",
            FAILED,
        )
    document = drains.standing(account, drain).line.document
    node = document.get("node") or {}
    if not node:
        raise CommandError(f"The drain of {drain.who} has found no node, and has set nothing.", FAILED)
    goes_on = warn_of_its_end(account, drain.instance)
    marks = Marks("" if node.get("excluded") else drain.name, "" if node.get("cordoned") else drain.name)
    for line in node_marks.kubectl(node["name"], marks):
        click.echo(line)
    for line in goes_on:
        click.echo(line, err=True)
    raise CommandError(f"The cluster cannot be reached from here; the commands above do it. {why}", NO_ACCESS)
