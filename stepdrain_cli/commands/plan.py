"""``stepdrain plan``: what a drain would do, without doing it."""

from __future__ import annotations

import sys

import click
from stepdrain.errors import KubeForbidden
from stepdrain.rules.policy import Policy
from stepdrain.rules.reasons import counted

from stepdrain_cli.clusters.cluster import Access, Json, access, everything
from stepdrain_cli.commands.options import no_such_node, on_cluster
from stepdrain_cli.pictures.chart import duration
from stepdrain_cli.planning.plan import Plan, plan
from stepdrain_cli.terminal import tables
from stepdrain_cli.terminal.exits import DONE, REFUSED
from stepdrain_cli.terminal.output_formats import JSON, TABLE, YAML, output_option, print_document


@click.command("plan")
@on_cluster
@output_option(TABLE, JSON, YAML)
def command(node: str, kubeconfig: str | None, context: str | None, policy: Policy, output: str) -> None:
    """Show what a drain of NODE (a name or an instance id) would do with each pod, and why it would hang.

    Changes nothing. A hint is likely, not certain: affinities and volumes are not looked at. Exit status 3:
    the policy would refuse the drain.
    """
    cluster = access(kubeconfig, context)
    found = plan(cluster.kube(), node, policy, lambda: _everything(cluster))
    if found is None:
        raise no_such_node(node)
    if output in (JSON, YAML):
        print_document(found.to_document(), output)
    else:
        _print(found)
    sys.exit(REFUSED if any(line.verdict == "refuse" for line in found.lines) else DONE)


def _everything(cluster: Access) -> tuple[list[Json], list[Json]]:
    try:
        return everything(cluster)
    except KubeForbidden as error:
        click.echo(f"Hints about other nodes are left out: {error}", err=True)
        return [], []


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
    tables.show(["WAVE", "VERDICT", "POD", "GRACE", "REASON"], rows, title="POD")
    held = f"; {len(found.blocked)} would hold the drain up now" if found.blocked else ""
    moving = sum(line.wave is not None for line in found.lines)
    click.echo()
    tables.say(f"{moving} of {counted(len(found.lines), 'pod')} would leave {found.node}{held}.")
    tables.say(f"Expected time: at most {duration(found.expected_s)}, if nothing blocks.")
    for sentence in found.standing:
        tables.say(sentence)
    if found.hazards:
        click.echo("\nWhy it would hang, or hurt:")
    for hazard in found.hazards:
        tables.say(f"  {hazard}")
