"""Start the rehearsal, wait for it, and read what the functions found out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stepdrain.verification.findings import REHEARSALS, Finding, Result, from_document

from stepdrain_cli.terminal.exits import CommandError
from stepdrain_cli.verification.deployed import Deployed

Json = dict[str, Any]
WITHIN_S = 300
POLL_S = 2
INTAKE = ("StartDrain", "Sweep", "Notify")
"""Functions that no state calls."""


@dataclass(frozen=True)
class Rehearsal:
    """What is rehearsed: which instance, in which group, behind which hook, of which cluster."""

    instance_id: str
    cluster: str
    group: str
    hook: str

    def document(self, **more: str) -> Json:
        """The field ``rehearsal`` of an execution's input, or of an event."""
        return {
            "cluster": self.cluster,
            "group": self.group,
            "hook": self.hook,
            "instanceId": self.instance_id,
            **more,
        }


def findings(deployed: Deployed, rehearsal: Rehearsal) -> Iterator[Finding]:
    """All that the deployed functions find out; a machine or function that fails is a finding of its own."""
    for machine in ("DrainNode", "AdmitNode"):
        yield from _of_machine(deployed, machine, rehearsal)
    for name in INTAKE:
        try:
            answer = deployed.call(name, {"rehearsal": rehearsal.document(function=name)})
        except CommandError as error:
            yield Finding("the function itself", name, Result.MISSING, str(error))
            continue
        yield from map(from_document, answer.get("findings", ()))


def _of_machine(deployed: Deployed, machine: str, rehearsal: Rehearsal) -> Iterator[Finding]:
    account, client = deployed.account, deployed.account.client("stepfunctions")
    name = f"{REHEARSALS}{machine}-{int(account.now())}"
    document = {"instanceId": rehearsal.instance_id, "rehearsal": rehearsal.document()}
    arn = client.start_execution(
        stateMachineArn=deployed.ids[machine], name=name, input=json.dumps(document)
    )["executionArn"]
    until = account.now() + WITHIN_S
    while (shown := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
        if account.now() >= until:
            yield Finding(
                f"the execution {name}", machine, Result.UNKNOWN, f"It still runs after {WITHIN_S} s."
            )
            return
        account.sleep(POLL_S)
    yield from _read(shown, machine)


def _read(shown: Mapping[str, Any], machine: str) -> Iterator[Finding]:
    if shown["status"] != "SUCCEEDED":
        said = f"{shown.get('error')}: {shown.get('cause')}"[:500]
        yield Finding(f"the execution {shown['name']}", machine, Result.MISSING, said)
        return
    completed = json.loads(shown["output"]).get("completed") or {}
    if completed.get("outcome") != "rehearsed":
        yield Finding(
            "the deployed version", machine, Result.MISSING, "It knows no rehearsal: deploy this version."
        )
        return
    yield from map(from_document, completed["findings"])
