"""What the state machine sends to a step, as one typed value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from stepdrain import clock
from stepdrain.document import progress, timing
from stepdrain.document.progress import Progress
from stepdrain.document.timing import Timing
from stepdrain.rules.policy import Policy
from stepdrain.schemas.validation import validate


@dataclass(frozen=True)
class NodeRef:
    """The node of the drain: its name, and the UID that tells it from a successor of that name.

    ``excluded`` and ``cordoned``: somebody else had labelled it out of load balancers, or cordoned
    it, before any drain of ours; nobody but them undoes that. ``gone``: the drain had found it, and later
    neither it nor another node of the instance was there. ``silent``: it was not Ready when it was found, and
    so all nodes were looked at.
    """

    name: str
    uid: str
    excluded: bool = False
    cordoned: bool = False
    gone: bool = False
    silent: bool = False


@dataclass(frozen=True)
class Step:
    """One invocation of one step."""

    cluster: str
    """Empty before FindNode where the drain was started by hand without it."""
    instance_id: str | None
    node_name: str | None
    lifecycle: Mapping[str, Any] | None
    ends_at: float | None
    """Epoch seconds at which EC2 takes the instance, if it has announced that; nobody can put it off."""
    policy: Policy
    found_node: NodeRef | None
    progress: Progress
    execution: Mapping[str, Any]
    attempt: int
    """0 at the first attempt of this visit to the state, then the number of retries."""
    entered_at: float
    """Epoch seconds at which the state was entered; the same for all attempts of a visit."""
    state: str
    """The state's name."""
    wait_s: int | None
    """Seconds that the attempt may watch or ask again; None on the first definition, which does not say."""
    waited_for: str
    """What the last round waited for in vain, in the words of its error; empty if nothing."""
    never_joined: bool
    """FindNode found no node for the instance."""
    released: str
    """Why the policy lets the instance go with pods on it; empty if it does not."""
    abandoned: str
    """Why a launching instance is given back to Auto Scaling; empty if it is not."""
    nothing_to_do: bool
    """The instance has no running node and needs none: from or to a warm pool."""
    warnings: tuple[str, ...]
    """What could not be read before the drain began, sentence by sentence, with what is used instead."""
    admission: bool
    """The instance arrives or comes back (AdmitNode), and does not leave."""
    cordoned_at: float
    """Epoch seconds, by the API server's clock, from which on a new pod came to the node past the cordon."""
    uncordoned: bool = False
    """Cordon found its node gone, or another one under its name: what runs there now nobody has marked."""
    no_node: str = ""
    """Why FindNode holds that the instance never joined; empty if it does not."""
    unanswered: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """By state, name and sentence of the error that has led FindNode, Label or Cordon to HoldInstance."""
    private_dns_name: str | None = None
    """The instance's, if whoever started the drain had asked EC2; and its private address."""
    private_ip_address: str | None = None

    @property
    def name(self) -> str:
        """The execution's name, as the console lists it."""
        return str(self.execution["Name"])

    @property
    def begun_at(self) -> float:
        """Epoch seconds at which the drain began; a redrive does not change it."""
        return clock.to_epoch_s(self.execution["StartTime"])

    @property
    def redriven(self) -> bool:
        """A person has redriven the execution after it failed."""
        return bool(self.execution.get("RedriveTime"))

    @property
    def under_way(self) -> bool:
        """The drain comes back through FindNode, to find its node and to protect it again."""
        return self.progress.next == progress.FIND_NODE

    @property
    def running_since(self) -> float:
        """Epoch seconds of the redrive if there was one, else of the start."""
        return clock.to_epoch_s(self.execution.get("RedriveTime") or self.execution["StartTime"])

    @property
    def node(self) -> NodeRef:
        """The node FindNode found; only states behind FindNode may ask for it."""
        if self.found_node is None:
            raise LookupError("This state stands behind FindNode, and the document has no node.")
        return self.found_node

    def timing(self, now: float) -> Timing:
        """Where the drain stands at ``now`` (epoch seconds)."""
        return timing.of(self, now)


def parse(event: Mapping[str, Any]) -> Step:
    """The step in a Task's payload; raises InvalidEvent if it does not fit schemas/step.json."""
    validate("step", event)
    execution, state, drain = event["execution"], event["state"], event["drain"]
    node = drain.get("node")
    return Step(
        cluster=drain.get("cluster") or "",
        instance_id=drain.get("instanceId"),
        node_name=drain.get("nodeName"),
        lifecycle=drain.get("lifecycle"),
        ends_at=clock.to_epoch_s(drain["endsAt"]) if drain.get("endsAt") else None,
        policy=_policy(drain.get("policy") or {}, given_up_is_noted="waitSeconds" in event),
        found_node=_node(node) if node else None,
        progress=progress.from_document(
            progress.recorded(drain), execution.get("RedriveTime") or execution["StartTime"]
        ),
        execution=execution,
        attempt=state["RetryCount"],
        entered_at=clock.to_epoch_s(state["EnteredTime"]),
        state=state["Name"],
        wait_s=event.get("waitSeconds"),
        waited_for=_reason(drain.get("waited")),
        never_joined="neverJoined" in drain,
        no_node=_reason(drain.get("neverJoined")),
        released=_reason(drain.get("released")),
        abandoned=_reason(drain.get("abandoned")),
        nothing_to_do="nothingToDo" in drain,
        warnings=tuple(drain.get("warnings") or ()),
        admission=drain.get("reason") in ("launch", "return"),
        cordoned_at=_cordoned_at(drain.get("cordon"), execution),
        uncordoned=(drain.get("cordon") or {}).get("cordoned") is False,
        unanswered={
            state: (caught["Error"], _reason(caught))
            for state, caught in (drain.get("unanswered") or {}).items()
        },
        private_dns_name=drain.get("privateDnsName"),
        private_ip_address=drain.get("privateIpAddress"),
    )


DOCUMENT = (
    "instanceId",
    "nodeName",
    "cluster",
    "reason",
    "lifecycle",
    "policy",
    "warnings",
    "endsAt",
    "rehearsal",
    "findings",
    "node",
    "progress",
)
"""Fields of the document behind FindNode; null where a drain has none. ``progress`` is there already when a
drain goes back through FindNode."""


def document(drain: Mapping[str, Any], node: NodeRef) -> dict[str, Any]:
    """The document as FindNode hands it on, each field of DOCUMENT in it."""
    found = {name: value for name, value in asdict(node).items() if value or name not in ("gone", "silent")}
    return {**dict.fromkeys(DOCUMENT), **drain, "node": found}


def _policy(found: Mapping[str, Any], *, given_up_is_noted: bool) -> Policy:
    policy = Policy.from_document(found)
    # The first definition drops the fields that name such pods.
    return policy if given_up_is_noted else replace(policy, overdue_pods="wait")


def _node(found: Mapping[str, Any]) -> NodeRef:
    said = {name: found.get(name, False) for name in ("excluded", "cordoned", "gone", "silent")}
    return NodeRef(found["name"], found["uid"], **said)


def _cordoned_at(cordon: Mapping[str, Any] | None, execution: Mapping[str, Any]) -> float:
    # Objects' times are whole seconds: a pod of the cordon's own second may have been there before it.
    return clock.to_epoch_s(cordon["at"] if cordon else execution["StartTime"]) + 1


def _reason(caught: Mapping[str, Any] | None) -> str:
    """The sentence of a caught error: Cause is the JSON that Lambda makes of an exception, or text."""
    if not caught:
        return ""
    cause = caught.get("Cause", "")
    try:
        return str(json.loads(cause)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return str(cause)
