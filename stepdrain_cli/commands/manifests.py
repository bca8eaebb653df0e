"""``stepdrain manifests``: what to apply to the cluster, from the files of this version."""

from __future__ import annotations

import click

from stepdrain_cli.clusters import manifests


@click.command("manifests")
@click.argument("names", metavar="[NAME]...", nargs=-1, type=click.Choice(manifests.NAMES))
@click.option(
    "--group-prefix",
    metavar="TEXT",
    default=manifests.PREFIX,
    show_default=True,
    help="Beginning of the Kubernetes groups, as in the parameter KubernetesGroupPrefix.",
)
def command(names: tuple[str, ...], group_prefix: str) -> None:
    """Print the RBAC manifests of this version as YAML, for `kubectl apply -f -`.

    NAME is rbac, force (with AllowForce, the default), roll (where drains may roll workloads) or
    node-conditions (with NodeConditions); rbac and force if none is given.
    """
    click.echo(manifests.text(names or manifests.USUAL, group_prefix), nl=False)
