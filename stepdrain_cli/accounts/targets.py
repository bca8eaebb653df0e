"""Which instance and node a NODE means that a person types, looked up before anything is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stepdrain.adapters.aws import Aws
from stepdrain.errors import DrainError
from stepdrain.intake import ownership
from stepdrain.intake.envelope import Ignored
from stepdrain.intake.ownership import Enrolment
from stepdrain.intake.settings import IntakeSettings
from stepdrain.rules import nodes
from stepdrain.states.find_node import nodes_of

from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.installation import cluster_of
from stepdrain_cli.accounts.node_names import named_node, with_private_name
from stepdrain_cli.terminal.exits import CommandError


@dataclass(frozen=True)
class Target:
    """An instance of ours. ``node`` is None where its cluster could not be asked: ``unasked`` says why."""

    instance: str
    enrolment: Enrolment
    node: Mapping[str, Any] | None
    unasked: str
    lifecycle_state: str
    """As Auto Scaling calls it; "" for an instance of no group."""

    @property
    def name(self) -> str:
        """The node's name, or the instance id."""
        return str(self.node["metadata"]["name"]) if self.node else self.instance


def target(account: Account, text: str, installed: IntakeSettings) -> Target:
    """What ``text`` means: an instance id, a node's name, or its first label.

    CommandError with the exact reason if it is no instance of ours, or no node of its cluster.
    """
    aws = Aws(account.session)
    instance, ours = enrolled(account, text, installed, "Nothing was started.")
    node, unasked = _node(account, instance, ours.cluster, aws)
    if node is None and not unasked:
        raise CommandError(
            f"Instance {instance} is no node of cluster {ours.cluster}: there is nothing to drain."
        )
    return Target(instance, ours, node, unasked, aws.lifecycle_state(instance))


def enrolled(account: Account, text: str, installed: IntakeSettings, undone: str) -> tuple[str, Enrolment]:
    """The id of the instance that ``text`` means, and where it belongs; its cluster is asked at need only.

    CommandError with the exact reason, and ``undone`` behind it, if it is no instance of ours.
    """
    aws = Aws(account.session)
    instance = _instance(account, text, installed)
    ours = ownership.enrol(instance, aws.instance_tags([instance]).get(instance), aws, installed)
    if isinstance(ours, Ignored):
        raise CommandError(f"{ours.reason} {undone}")
    return instance, ours


def _instance(account: Account, text: str, installed: IntakeSettings) -> str:
    if text.startswith("arn:"):
        raise CommandError(f"{text} is an ARN; give a node's name or an instance id.")
    if text.startswith("i-") and text[2:3].isalnum() and "." not in text:
        if nodes.EC2_INSTANCE.fullmatch(text):
            return text
        raise CommandError(f"{text} is no instance id: that is i- and 8 or 17 digits from 0 to f.")
    found = with_private_name(account, text) or _by_node_name(account, text, installed)
    if not found:
        named = " or ".join(installed.clusters)
        raise CommandError(
            f"No instance has the private DNS name {text}, and cluster {named} has no node called {text}; "
            "`kubectl get nodes` lists their names."
        )
    if len(found) > 1:
        raise CommandError(f"{text} can mean {', '.join(sorted(found))}: give the instance id.")
    return found[0]


def _by_node_name(account: Account, text: str, installed: IntakeSettings) -> list[str]:
    found = []
    for name in installed.clusters:
        node = named_node(cluster_of(account, name), text)
        instance = nodes.ec2_instance_of(node) if node else None
        if node and instance is None:
            raise CommandError(
                f"Node {node['metadata']['name']} of cluster {name} is no EC2 instance: its providerID is "
                f"{node.get('spec', {}).get('providerID') or 'empty'}."
            )
        found += [instance] if instance else []
    return found


def _node(account: Account, instance: str, cluster: str, aws: Aws) -> tuple[Mapping[str, Any] | None, str]:
    """The instance's node, and why the cluster could not be asked."""
    try:
        client = cluster_of(account, cluster)
        return next(iter(nodes_of(client, aws.instance(instance), listed=True)), None), ""
    except DrainError as error:
        return None, str(error)
