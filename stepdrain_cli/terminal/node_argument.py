"""NODE on the command line: what people paste is made a name, and what can be none is refused at once."""

from __future__ import annotations

import re

import click

from stepdrain_cli.terminal.exits import CommandError

POSSIBLE = re.compile(r"[\w.:+@=-]+")
"""Characters of node names, instance ids, ARNs and execution names
(https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html)."""
PROVIDER_ID = re.compile(r"aws:///[^/]*/(i-[0-9a-f]+)")
"""As the AWS cloud provider writes it: ``aws:///zone/instance``."""
LONGEST = 256
"""Characters of an execution's ARN, which is the longest (the same page); a node's name has 253."""
KUBECTL_PREFIXES = ("node/", "nodes/", "no/")


class NodeArgument(click.ParamType):  # type: ignore[type-arg]
    """A node's name, its first label, an instance id or an ARN; also ``node/NAME`` and a providerID."""

    name = "node"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        """The name as the commands look for it; CommandError if it can be none."""
        return name_of(value)


def name_of(typed: str) -> str:
    """The name in what somebody has typed or pasted; CommandError, with what to give, if there is none."""
    text = typed.strip()
    for prefix in KUBECTL_PREFIXES:
        text = text.removeprefix(prefix)
    if pasted := PROVIDER_ID.fullmatch(text):
        return pasted[1]
    if not text:
        raise CommandError(
            "NODE is empty, as of a variable that is not set: give a node's name or an instance id; "
            "`kubectl get nodes` lists the names."
        )
    if len(text) > LONGEST:
        raise CommandError(
            f"{text[:40]}… has {len(text)} characters, and no node's name, instance id or ARN is that long; "
            "`kubectl get nodes` lists the names."
        )
    if text.startswith("arn:"):
        return text  # Which kinds of ARN a command takes, it says itself.
    namespace, slash, name = text.partition("/")
    if slash and POSSIBLE.fullmatch(namespace) and POSSIBLE.fullmatch(name):
        raise CommandError(
            f"{text} is no node's name, but may be a pod's: give the node that it is on, "
            f"`kubectl get pod --namespace {namespace} {name} --output wide` shows it."
        )
    if not POSSIBLE.fullmatch(text):
        raise CommandError(
            f"{text!r} is neither a node's name nor an instance id nor an ARN; "
            "`kubectl get nodes` lists the names."
        )
    return text


NODE = NodeArgument()
