"""Error names: Step Functions matches bare class names, so each must exist and be used right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from stepdrain import errors
from stepdrain.errors import DrainError, DrainReleased, NotYet, OfFirstDefinition, Stopped, Transient

from statemachine.arithmetic import ASKING, HOLD, WAITING, delays_s, retrier_of

OF_AWS = ("States.", "Lambda.", "Sandbox.", "Runtime.")
State = dict[str, Any]


def leaves(base: type[DrainError]) -> list[type[DrainError]]:
    """The classes below ``base`` that have none below them: those that are raised."""
    below = base.__subclasses__()
    return [leaf for child in below for leaf in leaves(child)] if below else [base]


def named(tasks: dict[str, State], *blocks: str) -> Iterator[str]:
    for state in tasks.values():
        for block in blocks:
            for entry in state.get(block, []):
                yield from entry["ErrorEquals"]


def test_every_error_name_is_ours_or_one_of_aws(tasks: dict[str, State]) -> None:
    """A name that no function raises retries nothing, and nobody notices."""
    ours = {name for name in named(tasks, "Retry", "Catch") if not name.startswith(OF_AWS)}
    classes = {name: getattr(errors, name, None) for name in ours}
    assert [name for name, cls in classes.items() if cls is None] == []
    assert all(issubclass(cls, DrainError) for cls in classes.values() if cls)


def test_no_base_class_is_named(tasks: dict[str, State]) -> None:
    """ErrorEquals does not know inheritance: naming NotYet or Transient would match nothing."""
    leaf_names = {leaf.__name__ for leaf in leaves(DrainError)}
    assert {n for n in named(tasks, "Retry", "Catch") if not n.startswith(OF_AWS)} <= leaf_names


HANGS = {"Sandbox.Timedout", "States.Timeout"}
RETRIED = [error for error in leaves(NotYet) + leaves(Transient) if not issubclass(error, OfFirstDefinition)]


@pytest.mark.parametrize("error", RETRIED, ids=lambda error: error.__name__)
def test_what_may_come_right_by_itself_is_retried(
    tasks: dict[str, State], admission: dict[str, State], error: type[DrainError]
) -> None:
    """An error of these kinds that no state retries would end drains for no reason."""
    assert error.__name__ in {*named(tasks, "Retry"), *named(admission, "Retry")}


DENIED = ["KubeUnauthorized", "KubeForbidden", "AwsDenied"]
PERSONS = [error for error in leaves(Stopped) if error.__name__ not in DENIED]


@pytest.mark.parametrize("error", PERSONS, ids=lambda error: error.__name__)
def test_what_needs_a_person_is_neither_retried_nor_caught(
    tasks: dict[str, State], error: type[DrainError]
) -> None:
    """Uncaught, the execution stops at its state, and a redrive goes on from there."""
    assert error.__name__ not in set(named(tasks, "Retry", "Catch"))


@pytest.mark.parametrize("error", DENIED)
def test_what_is_refused_is_asked_for_again_for_five_minutes(tasks: dict[str, State], error: str) -> None:
    """Access that is set up late, or an API server that restarts, must not end a drain; and never a Catch."""
    assert error not in set(named(tasks, "Catch"))
    for name, state in tasks.items():
        assert sum(delays_s(retrier_of(state, error))) == 300, name


def test_a_release_is_caught_and_not_repeated(tasks: dict[str, State]) -> None:
    """The policy gave the instance up: that is an end, not a failure to try again."""
    assert DrainReleased.__name__ not in set(named(tasks, "Retry"))
    release, failure = tasks["Heartbeat"]["Catch"]
    assert release == {"ErrorEquals": ["DrainReleased"], "ResultPath": "$.released", "Next": "CompleteAction"}
    # A function that fails must not hold up evictions either.
    assert (failure["Next"], failure["ResultPath"]) == ("EvictBatch", "$.heartbeatFailed")


def test_names_of_the_first_definition_are_in_none(tasks: dict[str, State]) -> None:
    """They are raised for executions that still run on it, and for nobody else."""
    old = {error.__name__ for error in leaves(OfFirstDefinition)}
    assert not old & set(named(tasks, "Retry", "Catch"))


def test_nothing_is_matched_wholesale(tasks: dict[str, State]) -> None:
    """States.ALL would catch what needs a person, and hide it."""
    assert not {"States.ALL", "States.TaskFailed"} & set(named(tasks, "Retry", "Catch"))


def test_no_name_is_listed_twice_in_a_state(tasks: dict[str, State]) -> None:
    """Retriers are tried in order: a second one for the same name never acts."""
    for name, state in tasks.items():
        retried = list(named({name: state}, "Retry"))
        assert len(retried) == len(set(retried)), name


def test_a_waiting_state_goes_on_with_a_heartbeat_whatever_it_waited_for(tasks: dict[str, State]) -> None:
    """All that they retry leads to Heartbeat: else a wait would end the drain."""
    for name in WAITING:
        (catch,) = tasks[name]["Catch"]
        retried = set(named({name: tasks[name]}, "Retry")) - set(DENIED)
        assert set(catch["ErrorEquals"]) == retried | HANGS
        assert (catch["Next"], catch["ResultPath"]) == ("Heartbeat", "$.waited")


@pytest.mark.parametrize("name", ASKING)
def test_what_passes_leads_to_a_heartbeat_before_the_node_is_marked(
    tasks: dict[str, State], name: str
) -> None:
    """All that may pass: else the drain would end, or last longer than the hook does."""
    (catch,) = [catch for catch in tasks[name]["Catch"] if catch["Next"] == HOLD]
    retried = set(named({name: tasks[name]}, "Retry")) - {*DENIED, "NodeNotRegistered"}
    passing = {error.__name__ for error in leaves(Transient)}
    gives_way = set() if name == "FindNode" else {"HeartbeatDue"}
    assert set(catch["ErrorEquals"]) == retried | passing | HANGS | gives_way
    assert catch["ResultPath"] == f"$.unanswered.{name}"
    assert tasks[HOLD]["Next"] == "FindNode"


def test_an_instance_that_never_joined_is_let_go(tasks: dict[str, State]) -> None:
    """There is nothing to drain."""
    assert tasks["FindNode"]["Catch"][:2] == [
        {"ErrorEquals": ["NodeNotRegistered"], "ResultPath": "$.neverJoined", "Next": "CompleteAction"},
        {"ErrorEquals": ["NothingToDo"], "ResultPath": "$.nothingToDo", "Next": "CompleteAction"},
    ]


def test_holding_an_instance_fails_with_its_function(tasks: dict[str, State]) -> None:
    """It alone counts the minutes: a way on would be a loop without an end."""
    assert tasks[HOLD]["Catch"] == [
        {"ErrorEquals": ["DrainReleased"], "ResultPath": "$.released", "Next": "CompleteAction"}
    ]


def test_only_these_states_catch_anything(tasks: dict[str, State]) -> None:
    """A Catch anywhere else would lead around a state that a redrive should repeat."""
    catching = {name for name, state in tasks.items() if "Catch" in state}
    assert catching == {*ASKING, HOLD, *WAITING, "Heartbeat"}


def test_the_lambda_service_itself_may_fail_anywhere(tasks: dict[str, State]) -> None:
    """Documented for every state that calls a function (Step Functions, sfn-best-practices)."""
    documented = {
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.TooManyRequestsException",
        "Lambda.Unknown",
        "Runtime.ExitError",
        "Runtime.OutOfMemory",
        "Sandbox.Timedout",
        "States.Timeout",
    }
    for name, state in tasks.items():
        # A function that hangs has used up its time: a heartbeat comes before the next attempt.
        retried = documented - HANGS if name in (*WAITING, *ASKING) else documented
        assert retried <= set(named({name: state}, "Retry")), name
