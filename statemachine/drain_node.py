"""The drain of one node as a state machine; renders statemachine/drain_node.asl.json.

    python statemachine/drain_node.py            write the file
    python statemachine/drain_node.py --check    exit 1 if it differs from what this renders

Needs the authoring environment (docs/decisions/0001). Numbers and their arithmetic are in
statemachine/retriers.py, error names in functions/stepdrain/errors.py. Errors that no Catch here
names end the execution at the state that met them, so that a redrive goes on from there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# A script finds only its own directory; what Lambda runs has its root in functions/.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "functions"))

from stepdrain.document.progress import Progress
from stepdrain.document.step import DOCUMENT
from stepdrain.errors import (
    AwsDenied,
    AwsThrottled,
    AwsUnavailable,
    CordonsPending,
    DrainReleased,
    EvictionBlocked,
    HeartbeatDue,
    KubeConflict,
    KubeForbidden,
    KubeThrottled,
    KubeUnauthorized,
    KubeUnavailable,
    NodeNotRegistered,
    NothingToDo,
    NotYourTurn,
    PodsRemaining,
    TargetsDraining,
    VolumesAttached,
    WatchUnavailable,
)

from statemachine import lambda_errors, retriers
from statemachine.authoring import (
    Catch,
    Choice,
    ChoiceRule,
    ErrorName,
    Wait,
    WideTask,
    difference,
    names,
    render,
    retry,
)

TARGET = Path(__file__).with_name("drain_node.asl.json")
ORDER = (
    "FindNode",
    "Label",
    "Cordon",
    "HoldInstance",
    "Settle",
    "EvictBatch",
    "WaitForPods",
    "PodsLeft",
    "Heartbeat",
    "WaitForVolumes",
    "WaitForTargets",
    "CompleteAction",
)
PAYLOAD = {"execution.$": "$$.Execution", "state.$": "$$.State", "drain.$": "$"}
ROUND = tuple(Progress(number=0, heartbeat_at=0.0).to_document())

TIMED_OUT: list[ErrorName] = ["Sandbox.Timedout", "States.Timeout"]
LAMBDA: list[ErrorName] = [*lambda_errors.RETRIED]
FAILED = [name for name in LAMBDA if name not in TIMED_OUT]
KUBE: list[ErrorName] = [KubeUnavailable, KubeThrottled, KubeConflict]
# Access may be set up a minute after the drain began, and a restarting API server refuses everybody for a
# moment: only what is still refused after minutes needs a person.
DENIED: list[ErrorName] = [KubeUnauthorized, KubeForbidden, AwsDenied]
# AWS errors too: every way to the cluster's API begins with eks:DescribeCluster.
TRANSIENT = [*KUBE, AwsUnavailable, AwsThrottled]

COMMENT = (
    "Drains one node whose instance Auto Scaling is terminating: labels it, cordons it, evicts its pods "
    "through the Eviction API, waits until they are gone, their volumes detached and load balancer targets "
    "drained, and completes the lifecycle action. A waiting state watches the cluster and is repeated "
    "by Retry; "
    "as soon as there is something to do, it ends, and PodsLeft leads on. Heartbeat keeps the instance in "
    "Terminating:Wait. "
    "No error leads to a Fail state: a failed drain stops where it failed, and a redrive goes on from there."
)
COMMENTS = {
    "FindNode": "Finds the node of this instance by its providerID. If there is none, asks again for five "
    "minutes, then completes: an instance that never joined has nothing to drain. Started by hand with "
    "an instanceId alone, it fills in the rest.",
    "Label": "Labels the node so that load balancers stop sending it new connections. Waits for nothing.",
    "HoldInstance": "Tells Auto Scaling that the drain goes on, although the node could not be found, "
    "labelled or cordoned yet; then all three are tried again. After ten minutes without an answer (45 if "
    "only throttling is in the way) the drain fails here, while the instance still stands.",
    "Settle": "Gives load balancers the time that the policy asks for, between the label and the first "
    "eviction. No time at all by default.",
    "Cordon": "Marks the node unschedulable, so that evicted pods start elsewhere. Waits for nothing.",
    "EvictBatch": "Evicts the pods whose disruption budgets allow it now, and never waits for the "
    "others. Where other drains have begun just now, the first eviction waits for their cordons, "
    "40 seconds at most. "
    "Where a group limits its concurrent drains, it asks again every 10 to 30 seconds for the drain's turn.",
    "WaitForPods": "Watches the node's pods and the budgets that hold them, until a pod may be evicted, "
    "all are "
    "gone, or a deadline or a heartbeat is due. An attempt that has watched is repeated at once; one "
    "that could "
    "not watch, every 10 to 30 seconds. The error's cause names the pods and what holds them.",
    "PodsLeft": "Decides what comes next: more to evict, pods to wait for, a heartbeat that is due, volumes "
    "or load balancers to wait for, a node to find and to cordon again, or nothing left.",
    "Heartbeat": "Tells Auto Scaling that the drain goes on, so that it keeps the instance. One that "
    "cannot be "
    "sent is sent again later, and evictions go on. Here the drain's deadline takes effect: past it, "
    "the drain "
    "fails with DrainTimedOut or lets the instance go, as its policy says.",
    "WaitForVolumes": "Watches until the volumes of the pods that have left are detached, while the CSI "
    "driver's pod is still on the node. Repeated as WaitForPods. The error's cause names the volumes.",
    "WaitForTargets": "Looks whether the cluster's load balancers have let go of the instance. While a "
    "target drains, asks again every 5 to 30 seconds. The error's cause names the target groups.",
    "CompleteAction": "Completes the lifecycle action: Auto Scaling terminates the instance. If the action "
    "is no longer active, somebody was faster, and that is success.",
}


def task(name: str, timeout_s: int, retrying: list[Any], **fields: Any) -> Any:
    """A Task that calls ``<name>Function``, or ``function``'s, with the payload that all functions get.

    ``wait_s``: how many seconds an attempt may wait within itself, for a state that waits.
    """
    function = fields.pop("function", name)
    waits = {"waitSeconds": fields.pop("wait_s")} if "wait_s" in fields else {}
    return WideTask(
        name,
        comment=fields.pop("comment", None) or COMMENTS[name],
        resource="arn:${Partition}:states:::lambda:invoke",
        parameters={"FunctionName": f"${{{function}FunctionArn}}", "Payload": {**PAYLOAD, **waits}},
        timeout_seconds=timeout_s,
        retry=retrying,
        **fields,
    )


def picked(*fields: str) -> dict[str, str]:
    """A ResultSelector: only these fields of the function's answer reach the document."""
    return {f"{field}.$": f"$.Payload.{field}" for field in fields}


def patient(*errors: ErrorName) -> list[Any]:
    """Retriers of a state that has nowhere else to go: ten minutes for ``errors`` and for what Lambda
    answers, five for refused access."""
    passing = [name for name in LAMBDA if name not in lambda_errors.THROTTLED]
    return [
        retry([*errors, *passing], retriers.TEN_MINUTES),
        retry([AwsThrottled, *lambda_errors.THROTTLED], retriers.THROTTLED),
        retry(DENIED, retriers.DENIED),
    ]


def asking(name: str, awaited: list[Any], **fields: Any) -> Any:
    """A Task that asks the cluster again within an attempt, for which nothing is evicted yet.

    What has asked again, or hung, has used up its time: HoldInstance comes before the next attempt.
    """
    failed = [name for name in FAILED if name not in lambda_errors.THROTTLED]
    retrying = [
        *awaited,
        retry(failed, retriers.FAILED_BRIEFLY),
        retry([AwsThrottled, *lambda_errors.THROTTLED], retriers.THROTTLED_BRIEFLY),
        retry(DENIED, retriers.DENIED),
    ]
    return task(name, retriers.ASKING_TIMEOUT_S, retrying, wait_s=retriers.ASK_S, **fields)


def waiting(name: str, timeout_s: int, wait_s: int, awaited: list[Any]) -> Any:
    """A Task that waits: ``awaited`` are its own retriers; what may pass by itself has others."""
    return task(
        name,
        timeout_s,
        [
            *awaited,
            retry(TRANSIENT, retriers.ASKED_AGAIN),
            # A function that hangs is not called again here: its time is over, and Heartbeat comes first.
            retry(FAILED, retriers.FAILED),
            retry(DENIED, retriers.DENIED),
        ],
        wait_s=wait_s,
        result_selector=picked(*ROUND),
        result_path="$.progress",
    )


def find_node() -> Any:
    return asking(
        "FindNode",
        [retry([NodeNotRegistered], retriers.NODE_NOT_REGISTERED)],
        # The whole document: a drain that was started by hand begins with less.
        result_selector=picked(*DOCUMENT),
        result_path="$",
    )


def label() -> Any:
    return asking(
        "Label",
        [],
        result_selector=picked("seconds", "denied", "findings"),
        result_path="$.settle",
    )


def cordon() -> Any:
    """``cordoned`` false: the node that FindNode had found was not there any more."""
    return asking(
        "Cordon",
        [],
        result_selector=picked("at", "cordoned", "findings"),
        result_path="$.cordon",
    )


def hold_instance() -> Any:
    """No Catch for what Lambda answers: without this function nobody counts the minutes."""
    failed = [name for name in FAILED if name not in lambda_errors.THROTTLED]
    return task(
        "HoldInstance",
        retriers.HEARTBEAT_TIMEOUT_S,
        [
            retry(failed, retriers.TEN_MINUTES),
            retry(TIMED_OUT, retriers.HUNG_TEN_MINUTES),
            retry(lambda_errors.THROTTLED, retriers.THROTTLED),
            retry(DENIED, retriers.DENIED),
        ],
        function="Heartbeat",
        wait_s=0,
        result_selector=picked(*ROUND),
        result_path="$.progress",
    )


def settle() -> Any:
    return Wait("Settle", comment=COMMENTS["Settle"], seconds_path="$.settle.seconds")


def evict_batch() -> Any:
    awaited = [retry([NotYourTurn], retriers.TURN), retry([CordonsPending], retriers.CORDONS)]
    return waiting("EvictBatch", retriers.EVICT_BATCH_TIMEOUT_S, retriers.ASK_S, awaited)


def watching(*awaited: ErrorName) -> list[Any]:
    """Retriers of a state that watches for ``awaited``: by whether the attempt could watch."""
    return [retry(awaited, retriers.WATCHED), retry([WatchUnavailable], retriers.POLLED)]


def wait_for_pods() -> Any:
    awaited = watching(PodsRemaining, EvictionBlocked)
    return waiting("WaitForPods", retriers.WATCHING_TIMEOUT_S, retriers.WATCH_S, awaited)


def wait_for_volumes() -> Any:
    awaited = watching(VolumesAttached)
    return waiting("WaitForVolumes", retriers.WATCHING_TIMEOUT_S, retriers.WATCH_S, awaited)


def wait_for_targets() -> Any:
    awaited = [retry([TargetsDraining], retriers.TARGETS)]
    return waiting("WaitForTargets", retriers.WAIT_FOR_TARGETS_TIMEOUT_S, retriers.ASK_S, awaited)


def heartbeat() -> Any:
    return task(
        "Heartbeat",
        retriers.HEARTBEAT_TIMEOUT_S,
        [retry(LAMBDA, retriers.HEARTBEAT_FAILED), retry(DENIED, retriers.DENIED)],
        wait_s=0,
        result_selector=picked(*ROUND),
        result_path="$.progress",
    )


def complete_action() -> Any:
    return task(
        "CompleteAction",
        retriers.STEP_TIMEOUT_S,
        patient(AwsUnavailable),
        result_selector=picked("result", "outcome", "reason", "findings"),
        result_path="$.completed",
    )


def caught(errors: list[ErrorName], target: Any, result_path: str) -> Any:
    return Catch(error_equals=names(errors), next_step=target, result_path=result_path)


def drain_node() -> Any:
    """All states, wired; returns the first."""
    find, mark, protect, hold = find_node(), label(), cordon(), hold_instance()
    evict, wait = evict_batch(), wait_for_pods()
    volumes, targets = wait_for_volumes(), wait_for_targets()
    beat, complete = heartbeat(), complete_action()
    pods_left = Choice("PodsLeft", comment=COMMENTS["PodsLeft"])
    for target in (beat, volumes, targets, complete, wait, find):
        rule = ChoiceRule.StringEquals(variable="$.progress.next", value=target.state_id)
        pods_left.add_choice(rule, target)
    pods_left.default_choice(evict)

    find.next(mark).next(protect).next(settle()).next(evict).next(wait).next(pods_left)
    for state in (volumes, targets, beat):
        state.next(pods_left)
    find.add_catch(caught([NodeNotRegistered], complete, "$.neverJoined"))
    find.add_catch(caught([NothingToDo], complete, "$.nothingToDo"))
    passing = [*TRANSIENT, *LAMBDA]
    find.add_catch(caught(passing, hold, "$.unanswered.FindNode"))
    mark.add_catch(caught([HeartbeatDue, *passing], hold, "$.unanswered.Label"))
    protect.add_catch(caught([HeartbeatDue, *passing], hold, "$.unanswered.Cordon"))
    hold.add_catch(caught([DrainReleased], complete, "$.released"))
    hold.next(find)
    evict.add_catch(caught([CordonsPending, NotYourTurn, *passing], beat, "$.waited"))
    wait.add_catch(caught([PodsRemaining, EvictionBlocked, WatchUnavailable, *passing], beat, "$.waited"))
    volumes.add_catch(caught([VolumesAttached, WatchUnavailable, *passing], beat, "$.waited"))
    targets.add_catch(caught([TargetsDraining, *passing], beat, "$.waited"))
    beat.add_catch(caught([DrainReleased], complete, "$.released"))
    beat.add_catch(caught([*LAMBDA], evict, "$.heartbeatFailed"))
    return find


def main(arguments: list[str]) -> int:
    """Write or check the rendered file; returns the process's exit code."""
    fresh = render(drain_node(), ORDER, comment=COMMENT, timeout_s=retriers.MACHINE_TIMEOUT_S)
    return write_or_check(arguments, TARGET, Path(__file__).name, fresh)


def write_or_check(arguments: list[str], target: Path, source: str, fresh: str) -> int:
    """Write ``fresh`` to ``target``, or only compare (``--check``); returns the process's exit code."""
    if arguments not in ([], ["--check"]):
        print(f"usage: python statemachine/{source} [--check]", file=sys.stderr)
        return 2
    changes = difference(target, fresh)
    if arguments and changes:
        print(f"{target.name} is not what {source} renders; render it again.\n{changes}")
        return 1
    if changes:
        target.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
