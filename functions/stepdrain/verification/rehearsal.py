"""A rehearsal of the deployed state machine: state by state, by the deployed functions, changing nothing.

The document of such an execution has a field ``rehearsal``. Each handler then checks what its state would
need and answers with what leads to the next state, so that every state is visited; what each found out
travels along, and CompleteAction's answer has all of it. An error becomes a finding: the execution succeeds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any

from stepdrain import VERSION, clock
from stepdrain.adapters import connections, invocation
from stepdrain.document import progress
from stepdrain.document.progress import Progress
from stepdrain.document.step import DOCUMENT, NodeRef
from stepdrain.errors import DrainError
from stepdrain.intake import lifecycle_events, settings
from stepdrain.intake.envelope import Ignored
from stepdrain.intake.lifecycle_events import TERMINATING
from stepdrain.intake.served_events import served
from stepdrain.rules.node_marks import EXCLUDE_LABEL
from stepdrain.states import find_node
from stepdrain.verification import aws_rights, kube_rights
from stepdrain.verification.findings import THE_VERSION, Finding, Remedy, Result, checked, refused
from stepdrain.verification.kube_rights import THE_API

Json = dict[str, Any]
Handler = Callable[[Any, Any], Any]
FIELD = "rehearsal"
CLUSTER_NEEDS_S = 9
"""Seconds after which the cluster has not answered, whether it takes no connection (two of 3 s each) or sends
nothing (8 s; adapters.kube.calls)."""
NEXT = {
    "EvictBatch": progress.WAIT_FOR_PODS,
    "WaitForVolumes": progress.WAIT_FOR_TARGETS,
    "WaitForTargets": progress.COMPLETE_ACTION,
    "Heartbeat": progress.EVICT_BATCH,
}
"""Which state follows in a rehearsal; after WaitForPods comes Heartbeat at first, then WaitForVolumes."""


def instead(handler: Handler) -> Handler:
    """A handler that rehearses where its event asks for that, and drains otherwise."""

    @wraps(handler)
    def rehearsing(event: Any, context: Any) -> Any:
        if not isinstance(event, Mapping):
            return handler(event, context)
        state = event.get("state")
        drain = event.get("drain") if isinstance(state, Mapping) else event
        if not (isinstance(drain, Mapping) and drain.get(FIELD)):
            return handler(event, context)
        function = state["Name"] if isinstance(state, Mapping) else str(event[FIELD].get("function"))
        if function == progress.HOLD_INSTANCE:
            # A function has failed: the minutes are counted as in a drain. No action of a rehearsal is held.
            return handler(event, context)
        return rehearse(function, drain, os.environ)

    return rehearsing


def rehearse(function: str, drain: Mapping[str, Any], environ: Mapping[str, str]) -> Json:
    """What the function answers: its findings, and what leads to the next state."""
    findings = [
        Finding(THE_VERSION, function, Result.OK, VERSION),
        *_in_aws(function, drain, environ),
        *_in_the_cluster(function, drain, environ),
        *_taken(function, drain, environ),
    ]
    if function == "FindNode":
        return _found(drain, findings)
    documents = [finding.to_document() for finding in findings]
    if function == "CompleteAction":
        return {
            "result": "NONE",
            "outcome": "rehearsed",
            "reason": "A rehearsal: nothing was changed.",
            "findings": [*gathered(drain), *documents],
        }
    answers: dict[str, Json] = {
        "Label": {"labelled": False, "denied": "", "seconds": 0},
        "Cordon": {"cordoned": False, "at": clock.to_rfc3339(clock.now())},
        "Uncordon": {"undone": []},
        "WaitForNode": {"name": "", "uid": "", "excluded": False, "cordoned": False},
    }
    if function in answers:
        return {**answers[function], "findings": documents}
    if function in (*NEXT, progress.WAIT_FOR_PODS):
        return _advanced(function, drain, documents)
    return {"findings": documents}


def gathered(drain: Mapping[str, Any]) -> list[Json]:
    """What the states before have found out."""
    places = [drain, *(drain.get(name) or {} for name in ("settle", "cordon", "node", "uncordon"))]
    places.append(progress.recorded(drain) or {})
    return [finding for place in places for finding in place.get("findings") or ()]


def _advanced(function: str, drain: Mapping[str, Any], documents: list[Json]) -> Json:
    recorded = progress.recorded(drain)
    before = recorded or {"number": 0, "findings": []}
    following = NEXT.get(function) or (progress.WAIT_FOR_VOLUMES if before["number"] else progress.HEARTBEAT)
    number = before["number"] + (function == "Heartbeat")
    reported = {(finding["what"], finding["by"]) for finding in before.get("findings") or ()}
    fresh = [finding for finding in documents if (finding["what"], finding["by"]) not in reported]
    advanced = replace(Progress(number, clock.now()), next=following)
    return {**advanced.to_document(), "findings": [*(before.get("findings") or ()), *fresh]}


def _in_aws(function: str, drain: Mapping[str, Any], environ: Mapping[str, str]) -> list[Finding]:
    return list(aws_rights.trials(function, connections.aws(), aws_rights.place_of(drain, environ)))


def _in_the_cluster(function: str, drain: Mapping[str, Any], environ: Mapping[str, str]) -> list[Finding]:
    options = {
        "force": environ.get("STEPDRAIN_FORCE_ALLOWED", "true") == "true",
        "conditions": settings.node_conditions(environ),
        "rolls": environ.get("STEPDRAIN_ROLL", "off") != "off" or bool(drain[FIELD].get("rolls")),
    }
    rights = kube_rights.rights_of(function, **options)
    cluster = aws_rights.place_of(drain, environ).cluster
    if not rights or not cluster or _silent(gathered(drain)):
        return []
    if invocation.time_left() < CLUSTER_NEEDS_S:
        said = "Not asked: AWS has answered too slowly for that."
        return [Finding(THE_API, function, Result.UNKNOWN, said)]
    try:
        client = connections.kube(cluster)
    except DrainError:
        return []  # eks:DescribeCluster is a finding of its own.
    return [*kube_rights.review(function, rights, client), *_dry_run(function, drain, client)]


def _taken(function: str, drain: Mapping[str, Any], environ: Mapping[str, str]) -> list[Finding]:
    """Whether StartDrain would start a drain for the event that the rehearsal brings."""
    event = drain[FIELD].get("event")
    if function != "StartDrain" or not event:
        return []
    what, account = f"an event about group {drain[FIELD].get('group')}", connections.aws()
    try:
        own = settings.intake(environ, connections.parameter)
        found = served(event, own, TERMINATING, account.tags_of_group, account.hook_of_group)
        if isinstance(found, Ignored):
            return [Finding(what, function, Result.MISSING, f"It would be ignored: {found.reason}")]
        warnings = lifecycle_events.start(event, found.tags, found.hook, own).warnings
    except DrainError as error:
        wrong = refused(what, function, error)
        # The trials have named a right or a service that is missing.
        return [] if wrong.remedy in (Remedy.IAM, Remedy.ENDPOINT) else [wrong]
    return [Finding(what, function, Result.DEGRADED if warnings else Result.OK, " ".join(warnings))]


def _silent(documents: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the cluster has not answered a state before: another try costs seconds and says the same."""
    return any(finding["what"] == THE_API and finding["remedy"] == Remedy.NETWORK for finding in documents)


def _dry_run(function: str, drain: Mapping[str, Any], client: Any) -> Iterable[Finding]:
    """What admission says to the two patches of the node."""
    node = (drain.get("node") or {}).get("name")
    bodies: dict[str, Json] = {
        "Label": {"metadata": {"labels": {EXCLUDE_LABEL: "true"}}},
        "Cordon": {"spec": {"unschedulable": True}},
    }
    if not node or function not in bodies:
        return []
    found = checked(
        f"dry run of patch nodes/{node}", function, lambda: client.try_patch_node(node, bodies[function])
    )
    # The review has named a right that is missing.
    return [] if found.remedy in (Remedy.RBAC, Remedy.ACCESS_ENTRY, Remedy.NETWORK) else [found]


def _found(drain: Mapping[str, Any], findings: list[Finding]) -> Json:
    lost = [finding for finding in findings if finding.what == THE_API and finding.result is not Result.OK]
    nothing: tuple[NodeRef | None, list[Finding]] = (None, [])
    node, found = nothing if lost else _look_for_node(drain)
    document: Json = {**dict.fromkeys(DOCUMENT), **drain}
    document["node"] = (
        None if node is None else {"name": node.name, "uid": node.uid, "excluded": False, "cordoned": False}
    )
    document["cluster"] = aws_rights.place_of(drain, os.environ).cluster
    return {**document, "findings": [finding.to_document() for finding in [*findings, *found]]}


def _look_for_node(drain: Mapping[str, Any]) -> tuple[NodeRef | None, list[Finding]]:
    what = f"the node of {drain.get('instanceId') or drain.get('nodeName')}"
    try:
        cluster = connections.kube(aws_rights.place_of(drain, os.environ).cluster)
        if not drain.get("instanceId"):
            node = find_node.named_node(cluster, str(drain.get("nodeName")))
        else:
            found = find_node.find_node(cluster, connections.aws().instance(drain["instanceId"]))
            node = find_node.reference(found[0])
        return node, [Finding(what, "FindNode", Result.OK)]
    except DrainError as error:
        wrong = refused(what, "FindNode", error)
        return None, [wrong if wrong.remedy else replace(wrong, result=Result.MISSING, remedy=Remedy.NODE)]
