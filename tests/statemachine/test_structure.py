"""The definition's shape: what AWS, the console and the embedded engine need of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from statelint.linter import Linter

from statemachine.arithmetic import ASKING, HOLD, WAITING

MACHINE_KEYS = {"Comment", "StartAt", "TimeoutSeconds", "States"}
TASK_KEYS = (
    "Comment",
    "Type",
    "Resource",
    "Parameters",
    "ResultSelector",
    "ResultPath",
    "TimeoutSeconds",
    "Retry",
    "Catch",
    "Next",
    "End",
)
WAIT_KEYS = {"Comment", "Type", "SecondsPath", "Next"}
CHOICE_KEYS = {"Comment", "Type", "Choices", "Default"}
RETRY_KEYS = {
    "ErrorEquals",
    "IntervalSeconds",
    "BackoffRate",
    "MaxDelaySeconds",
    "MaxAttempts",
    "JitterStrategy",
}

State = dict[str, Any]


def targets(state: State) -> Iterator[str]:
    """Every state that may come after this one."""
    for block in [state, *state.get("Catch", []), *state.get("Choices", [])]:
        yield from (block[key] for key in ("Next", "Default") if key in block)


def reachable(states: dict[str, State], start: str) -> set[str]:
    seen, ahead = set(), [start]
    while ahead:
        name = ahead.pop()
        if name in states and name not in seen:
            seen.add(name)
            ahead += targets(states[name])
    return seen


def strings(value: Any) -> Iterator[str]:
    """All texts within a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def test_every_target_exists(machine: State) -> None:
    """cfn-lint and SAM do not look; AWS would refuse the deployment."""
    named = {machine["StartAt"]} | {t for state in machine["States"].values() for t in targets(state)}
    assert named <= set(machine["States"])


def test_every_state_is_reachable(machine: State) -> None:
    """A state that nothing leads to is a wire that somebody forgot."""
    assert reachable(machine["States"], machine["StartAt"]) == set(machine["States"])


def test_every_state_has_a_way_to_the_end(machine: State) -> None:
    """A loop without an exit would hold an instance for 48 hours."""
    states = machine["States"]
    final = {name for name, state in states.items() if state.get("End")}
    assert final == {"CompleteAction"}
    assert all(final & reachable(states, name) for name in states)


def test_states_come_in_order_of_time(machine: State) -> None:
    """A reader goes from top to bottom; the console draws in this order."""
    assert list(machine["States"]) == [
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
    ]


def test_the_machine_fits_on_a_screen(machine: State) -> None:
    """More than fifteen boxes, and nobody finds the red one."""
    assert len(machine["States"]) <= 15


def test_every_state_says_what_it_does(machine: State) -> None:
    """The console shows the comment to whoever is called at night."""
    comments = [block.get("Comment", "") for block in [machine, *machine["States"].values()]]
    assert all(comment.endswith(".") and len(comment) > 60 for comment in comments)


def test_no_state_fails_on_purpose(machine: State) -> None:
    """A redrive would enter a Fail state again, and fail again (Step Functions, redrive-executions)."""
    assert {state["Type"] for state in machine["States"].values()} == {"Task", "Wait", "Choice"}


def test_every_task_has_a_timeout_and_retries(tasks: dict[str, State]) -> None:
    """Without TimeoutSeconds a lost answer lasts 99,999,999 s; without Retry a blip ends a drain."""
    assert all(0 < state["TimeoutSeconds"] <= 150 and state["Retry"] for state in tasks.values())


def test_every_task_sends_the_same_payload(tasks: dict[str, State]) -> None:
    """The functions share one reader of their event; a state that sends less breaks only at run time."""
    payload = {"execution.$": "$$.Execution", "state.$": "$$.State", "drain.$": "$"}
    for name, state in tasks.items():
        waits = {"waitSeconds": state["Parameters"]["Payload"].get("waitSeconds")}
        expected = {**payload, **waits} if name in (*WAITING, *ASKING, HOLD, "Heartbeat") else payload
        assert state["Parameters"]["Payload"] == expected, name


def test_every_result_is_chosen_by_name_or_dropped(tasks: dict[str, State]) -> None:
    """lambda:invoke wraps its answer; unchosen, HTTP headers would fill the document."""
    for name, state in tasks.items():
        chosen = state.get("ResultSelector", {})
        assert all(value == f"$.Payload.{key.removesuffix('.$')}" for key, value in chosen.items()), name
        assert bool(chosen) == (state["ResultPath"] is not None), name


def test_tasks_have_only_known_keys_in_reading_order(tasks: dict[str, State]) -> None:
    """What it does, with what, for how long, and then: the same in each state."""
    for name, state in tasks.items():
        assert set(state) <= set(TASK_KEYS), name
        assert list(state) == sorted(state, key=TASK_KEYS.index), name


def test_only_what_the_embedded_engine_executes_is_used(machine: State, tasks: dict[str, State]) -> None:
    """The sandbox runs this very file; its engine has no JSONata and no variables."""
    assert set(machine) == MACHINE_KEYS
    choices = [state for state in machine["States"].values() if state["Type"] == "Choice"]
    assert all(set(state) <= CHOICE_KEYS for state in choices)
    waits = [state for state in machine["States"].values() if state["Type"] == "Wait"]
    assert all(set(state) == WAIT_KEYS for state in waits)
    retriers = [retrier for state in tasks.values() for retrier in state["Retry"]]
    assert all(set(retrier) <= RETRY_KEYS for retrier in retriers)


def test_every_path_reads_the_document_and_not_a_variable(machine: State) -> None:
    """The embedded engine lacks JSONata (``{% … %}``) and trips over variables (``$name``) in intrinsics."""
    paths = [text for text in strings(machine["States"]) if text.startswith("$") and text[:2] != "${"]
    assert [path for path in paths if path != "$" and not path.startswith(("$.", "$$."))] == []
    assert not any(text.startswith(("{%", "States.")) and "(" in text for text in strings(machine))


def test_the_embedded_engine_reads_the_definition(substituted: str) -> None:
    """Its parser refuses unknown fields, types and intrinsics, which statelint lets pass in part."""
    program, _ = AmazonStateLanguageParser.parse(substituted)
    assert program is not None


def test_statelint_has_no_complaint(substituted: str) -> None:
    """It knows misspelt Retry fields, which AWS reports only at deployment."""
    assert Linter.validate(json.loads(substituted)) == []


@pytest.mark.parametrize(
    "answer",
    ["Heartbeat", "WaitForVolumes", "WaitForTargets", "CompleteAction", "WaitForPods", "FindNode"],
)
def test_the_answer_of_a_round_names_the_state_that_comes_next(machine: State, answer: str) -> None:
    """Functions decide, the Choice obeys: an answer by another name would silently evict again."""
    pods_left = machine["States"]["PodsLeft"]
    rule = {"Variable": "$.progress.next", "StringEquals": answer, "Next": answer}
    assert rule in pods_left["Choices"]
    assert pods_left["Default"] == "EvictBatch"
