"""``stepdrain plan``: what a drain would do, without doing it."""

from __future__ import annotations

import json

import click
from drain.kube import connect_by_kubeconfig
from drain.policy import Policy

from stepdrain import tables
from stepdrain.commands.options import as_json, no_such_node, on_cluster
from stepdrain.plan import Plan, plan


@click.command("plan")
@on_cluster
@as_json
def command(node: str, kubeconfig: str, context: str | None, policy: Policy, as_json: bool) -> None:
    """Show what a drain of NODE would do with each pod, and what would block it. Changes nothing."""
    found = plan(connect_by_kubeconfig(kubeconfig, context), node, policy)
    if found is None:
        raise no_such_node(node)
    if as_json:
        click.echo(json.dumps(found.to_document(), indent=2))
    else:
        _print(found)


def _print(found: Plan) -> None:
    rows = [
        [
            "-" if line.wave is None else str(line.wave),
            line.verdict,
            line.pod,
            f"{line.grace_s}s",
            line.reason,
        ]
        for line in found.lines
    ]
    tables.show(["WAVE", "VERDICT", "POD", "GRACE", "REASON"], rows)
    held = f"; {len(found.blocked)} would hold the drain up now" if found.blocked else ""
    moving = sum(line.wave is not None for line in found.lines)
    click.echo(f"\n{moving} of {len(found.lines)} pods would leave {found.node}{held}.")
