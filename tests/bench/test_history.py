"""What is read from an execution's history."""

from datetime import UTC, datetime

import pytest

from bench.history import facts


def an_event(kind, at, name=""):
    details = {"stateEnteredEventDetails": {"name": name}} if name else {}
    return {"type": kind, "timestamp": datetime.fromtimestamp(at, UTC), **details}


HISTORY = [
    an_event("ExecutionStarted", 0),
    an_event("TaskStateEntered", 1, "EvictBatch"),
    an_event("TaskScheduled", 1),
    an_event("TaskStarted", 1),
    an_event("TaskFailed", 3),
    an_event("TaskScheduled", 8),
    an_event("TaskStarted", 8),
    an_event("TaskSucceeded", 9),
    an_event("TaskStateExited", 9),
    an_event("ChoiceStateEntered", 9, "PodsLeft"),
    an_event("ChoiceStateExited", 9),
    an_event("TaskStateEntered", 9, "CompleteAction"),
    an_event("TaskScheduled", 9),
    an_event("TaskStarted", 9),
    an_event("TaskSucceeded", 10),
    an_event("TaskStateExited", 10),
    an_event("ExecutionSucceeded", 11),
]


def test_a_retry_is_a_transition_as_a_state_is():
    """AWS bills both: three states entered, one of them tried twice."""
    assert facts(HISTORY).transitions == 4
    assert facts(HISTORY).events == 17


def test_time_is_in_functions_in_pauses_or_the_interpreters_own():
    """11 s in all: 4 s in functions, 5 s in the pause of a Retry, 2 s between."""
    found = facts(HISTORY)
    assert found.invocations == [("EvictBatch", 2), ("EvictBatch", 1), ("CompleteAction", 1)]
    assert (found.total_s, found.paused_s) == (11, 5)
    assert found.own_s == pytest.approx(2)


@pytest.mark.parametrize("state", ["EvictBatch", "WaitForPods", "WaitForVolumes", "WaitForTargets"])
def test_each_state_that_lists_counts(state):
    """The bound of requests gives two to each attempt of any of them."""
    one = [an_event("TaskStateEntered", 0, state), an_event("TaskStarted", 0), an_event("TaskSucceeded", 1)]
    assert facts(one).attempts == 1


def test_attempts_are_those_of_the_waiting_states():
    """Each may cost two requests; CompleteAction asks the cluster nothing."""
    assert facts(HISTORY).attempts == 2
