"""What a shell offers for NODE: names of nodes that have drains, or of a cluster's nodes."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import click
from stepdrain.errors import DrainError

OFFERED = 50
"""Drains whose names are offered: each costs a request."""
ACCOUNT = ("region", "profile", "stack", "state_machine", "sandbox")


def drained_nodes(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Nodes and instances of the newest drains that begin so; none where the account does not answer."""
    with _silent():
        # Imported here: a completion of anything else needs no AWS client.
        from stepdrain_cli.accounts import drains  # noqa: PLC0415
        from stepdrain_cli.commands.options import opened  # noqa: PLC0415

        options: dict[str, Any] = {name: context.params.get(name) for name in ACCOUNT}
        with opened(**options) as account:
            newest = list(islice(drains.listed(account), OFFERED))
            return _beginning(incomplete, (name for drain in newest for name in (drain.node, drain.instance)))
    return []


def cluster_nodes(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Nodes of the kubeconfig's cluster that begin so; none where it does not answer."""
    with _silent():
        from stepdrain_cli.clusters.cluster import access  # noqa: PLC0415

        kube = access(context.params.get("kubeconfig"), context.params.get("context")).kube()
        return _beginning(incomplete, (node["metadata"]["name"] for node in kube.nodes()))
    return []


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """A shell shows a completion's errors in the middle of the line that somebody types: there are none."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(click.ClickException, DrainError):
        yield


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name and name.startswith(incomplete)})
