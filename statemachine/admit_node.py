"""The arrival of one instance as a state machine; renders statemachine/admit_node.asl.json.

    python statemachine/admit_node.py [--check]

As statemachine/drain_node.py, whose states' parts it shares. The wait is bounded by the function, which
knows the hook: past its deadline it raises NodeNeverReady, and the retrier is only long enough for that.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# A script finds only its own directory; what Lambda runs has its root in functions/.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "functions"))

from stepdrain.errors import AwsUnavailable, NodeNeverReady, NodeNotReady, NothingToDo, WatchUnavailable

from statemachine import retriers
from statemachine.authoring import render, retry
from statemachine.drain_node import KUBE, caught, complete_action, patient, picked, task, write_or_check

TARGET = Path(__file__).with_name("admit_node.asl.json")
ORDER = ("WaitForNode", "Uncordon", "CompleteAction")
NODE = ("name", "uid", "excluded", "cordoned", "findings")
COMMENT = (
    "Admits one instance that Auto Scaling launches: waits until its node is Ready, undoes what an "
    "earlier drain of Stepdrain had set on it, and completes the lifecycle action. An instance that does not "
    "become a node in time is given back: the action is abandoned, and Auto Scaling replaces it."
)


def wait_for_node() -> Any:
    return task(
        "WaitForNode",
        retriers.WATCHING_TIMEOUT_S,
        [
            retry([NodeNotReady], retriers.NODE_WATCHED),
            retry([WatchUnavailable], retriers.NODE_POLLED),
            *patient(*KUBE, AwsUnavailable),
        ],
        wait_s=retriers.WATCH_S,
        comment="Looks for the node of this instance by its providerID, and watches it until it is Ready, "
        "and until the pods of its DaemonSets are, if the policy wants that. An attempt that could not watch "
        "is repeated every 5 to 20 seconds.",
        result_selector=picked(*NODE),
        result_path="$.node",
    )


def uncordon() -> Any:
    return task(
        "Uncordon",
        retriers.STEP_TIMEOUT_S,
        patient(*KUBE, AwsUnavailable),
        comment="Undoes label and cordon of an earlier drain, for a node that comes back from a warm pool or "
        "with a new root volume. What somebody else had set stays.",
        result_selector=picked("undone", "findings"),
        result_path="$.uncordon",
    )


def admit_node() -> Any:
    """All states, wired; returns the first."""
    wait, complete = wait_for_node(), complete_action()
    wait.next(uncordon()).next(complete)
    wait.add_catch(caught([NodeNeverReady, NodeNotReady, WatchUnavailable], complete, "$.abandoned"))
    wait.add_catch(caught([NothingToDo], complete, "$.nothingToDo"))
    return wait


def main(arguments: list[str]) -> int:
    """Write or check the rendered file; returns the process's exit code."""
    fresh = render(admit_node(), ORDER, comment=COMMENT, timeout_s=retriers.ADMISSION_TIMEOUT_S)
    return write_or_check(arguments, TARGET, Path(__file__).name, fresh)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
