"""Start the rehearsal, wait for it, and read what the functions found out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from stepdrain.verification.findings import REHEARSALS, Finding, Remedy, Result, from_document
from stepdrain.verification.kube_rights import THE_API

from stepdrain_cli.doctor import groups
from stepdrain_cli.terminal.exits import CommandError
from stepdrain_cli.verification import versions
from stepdrain_cli.verification.deployed import Deployed
from stepdrain_cli.verification.service_rights import MACHINES

Json = dict[str, Any]
Said = Callable[[str], None]
WITHIN_S = 180
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
    clusters: tuple[str, ...] = ()
    """All clusters of the installation."""
    rolls: bool = False
    """Whether the policy of a group that is served rolls workloads."""
    targets: bool = False
    """Whether the policy of one waits for load balancers."""

    def document(self, **more: Any) -> Json:
        """The field ``rehearsal`` of an execution's input, or of an event."""
        return {
            "cluster": self.cluster,
            "group": self.group,
            "hook": self.hook,
            "instanceId": self.instance_id,
            "rolls": self.rolls,
            "targets": self.targets,
            **more,
        }


def findings(deployed: Deployed, rehearsal: Rehearsal, say: Said) -> Iterator[Finding]:
    """All that the deployed functions find out; a machine or function that fails is a finding of its own.

    ``say`` gets a sentence as soon as it is known that the cluster does not answer, which is long before
    the last state.
    """
    arns = {machine: _start(deployed, machine, rehearsal) for machine in MACHINES}
    silent: list[Json] = []
    for machine, arn in arns.items():
        for finding in _awaited(deployed, machine, arn, say):
            if finding.what == THE_API and finding.remedy is Remedy.NETWORK:
                silent.append(finding.to_document())
            yield finding
    for name in INTAKE:
        asked = rehearsal.document(
            function=name, stateMachine=deployed.ids["DrainNode"], event=_event(deployed, rehearsal)
        )
        try:
            answer = deployed.call(name, {"rehearsal": asked, "findings": silent})
        except CommandError as error:
            yield Finding("the function itself", name, Result.MISSING, str(error))
            continue
        except ClientError as error:
            yield Finding("the function itself", name, Result.UNKNOWN, f"You cannot invoke it: {error}")
            continue
        yield from map(from_document, answer.get("findings", ()))


def _event(deployed: Deployed, rehearsal: Rehearsal) -> Json:
    """What Auto Scaling would send if the instance were to be terminated now."""
    account = deployed.stack_arn.split(":")[4]
    event = groups.event(rehearsal.group, rehearsal.hook, account, deployed.region)
    event["detail"]["EC2InstanceId"] = rehearsal.instance_id
    return event


def _start(deployed: Deployed, machine: str, rehearsal: Rehearsal) -> str:
    account = deployed.account
    name = f"{REHEARSALS}{machine}-{int(account.now())}"
    document = {"instanceId": rehearsal.instance_id, "rehearsal": rehearsal.document()}
    started = account.client("stepfunctions").start_execution(
        stateMachineArn=deployed.live(machine), name=name, input=json.dumps(document)
    )
    return str(started["executionArn"])


def _awaited(deployed: Deployed, machine: str, arn: str, say: Said) -> Iterator[Finding]:
    account, client = deployed.account, deployed.account.client("stepfunctions")
    until, heard = account.now() + WITHIN_S, False
    while (shown := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
        if account.now() >= until:
            yield _stopped(client, shown, machine)
            return
        if not heard:
            sentence = _silence(client, arn)
            heard = sentence is not None
            if sentence:
                say(f"{sentence} The rest is still being checked.")
        account.sleep(POLL_S)
    yield from _read(shown, machine)
    yield versions.definition(deployed, machine, arn)


def _silence(client: Any, arn: str) -> str | None:
    """What the first state has said about a cluster that does not answer it, "" if the cluster does.

    None until it has said either.
    """
    for event in client.get_execution_history(executionArn=arn, maxResults=100)["events"]:
        output = json.loads(event.get("stateExitedEventDetails", {}).get("output") or "{}")
        for finding in output.get("findings") or ():
            if finding["what"] == THE_API and finding["remedy"] == Remedy.NETWORK:
                return f"{finding['by']}: {finding['said']}"
        if "findings" in output:
            return ""
    return None


def _stopped(client: Any, shown: Mapping[str, Any], machine: str) -> Finding:
    """A rehearsal that does not end is stopped: an aborted execution raises no alarm, a failed one would."""
    arn = shown["executionArn"]
    events = client.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=100)["events"]
    client.stop_execution(executionArn=arn, error="Rehearsal", cause="It did not end.")
    failed = [
        value for event in events for name, value in event.items() if name.endswith("FailedEventDetails")
    ]
    last = failed[0] if failed else {}
    why = f"; its last error is {last.get('error')}: {last.get('cause')}" if last else ""
    said = f"It had not ended after {WITHIN_S} s, and was stopped{why}"[:500]
    return Finding(f"the execution {shown['name']}", machine, Result.MISSING, said)


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
