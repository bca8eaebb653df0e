"""The errors of Lambda's Invoke: each is sorted, and what passes by itself is retried in every state."""

from typing import Any

import botocore.session

from statemachine import lambda_errors

State = dict[str, Any]


def modelled() -> set[str]:
    """What botocore says that Invoke may answer."""
    operation = botocore.session.get_session().get_service_model("lambda").operation_model("Invoke")
    return {error.name for error in operation.error_shapes}


def test_every_error_of_the_operation_is_sorted() -> None:
    """A new botocore may know more: read what the error means, and put it into one of the lists."""
    assert modelled() - {*lambda_errors.PASSING, *lambda_errors.LASTING} == set()


def test_no_error_is_in_two_lists_or_in_none_of_botocores() -> None:
    """A name that Lambda does not have would retry nothing."""
    assert set(lambda_errors.PASSING) & set(lambda_errors.LASTING) == set()
    assert {*lambda_errors.PASSING, *lambda_errors.LASTING} <= modelled()


def test_every_state_retries_what_passes(tasks: dict[str, State], admission: dict[str, State]) -> None:
    """An inactive function answers its first invocation with an error, whichever state makes it."""
    for state in [*tasks.values(), *admission.values()]:
        if state["Type"] == "Task":
            retried = {name for retrier in state["Retry"] for name in retrier["ErrorEquals"]}
            # A waiting state whose function hangs goes on by its Catch.
            caught = {name for catch in state.get("Catch", ()) for name in catch["ErrorEquals"]}
            assert set(lambda_errors.RETRIED) <= retried | caught


def test_no_state_retries_what_somebody_has_to_change(tasks: dict[str, State]) -> None:
    """It would only put off the message."""
    named = {name for state in tasks.values() for r in state.get("Retry", []) for name in r["ErrorEquals"]}
    assert named & {f"Lambda.{name}" for name in lambda_errors.LASTING} == set()
