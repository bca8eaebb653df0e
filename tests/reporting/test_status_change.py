"""What an event leaves out is found elsewhere, and nothing that it says is replaced."""

import pytest
from stepdrain.reporting.status_change import completed, is_complete

BARE = {"status": "FAILED", "name": "i-1", "inputDetails": {"included": False}}
FAILED = {"id": 9, "executionFailedEventDetails": {"error": "DrainRefused", "cause": "A pod is alone."}}


@pytest.mark.parametrize(
    ("detail", "complete"),
    [
        ({"status": "FAILED", "input": "{}", "error": "DrainRefused"}, True),
        # Stopped without a reason: there is none anywhere.
        ({"status": "ABORTED", "input": "{}", "error": None}, True),
        (BARE, False),
        ({"status": "FAILED", "input": None}, False),
        ({"status": "SUCCEEDED", "input": "{}", "output": "{}"}, True),
        # Longer than an event may be.
        ({"status": "SUCCEEDED", "input": "{}", "outputDetails": {"included": False}}, False),
    ],
)
def test_an_event_without_input_or_a_success_without_output_leaves_something_out(detail, complete):
    assert is_complete(detail) == complete


def test_error_and_cause_are_in_the_history_before_the_execution_shows_them():
    """DescribeExecution may still show it as running."""
    found = completed(BARE, [FAILED], {"status": "RUNNING", "input": "{}"})
    assert found == BARE | {"input": "{}", "error": "DrainRefused", "cause": "A pod is alone."}


def test_of_several_ends_the_last_counts():
    """Each redrive adds one to the same history."""
    first = {"id": 3, "executionAbortedEventDetails": {"error": "Stopped", "cause": "by hand"}}
    assert completed(BARE, [FAILED, first], {})["error"] == "DrainRefused"
    assert completed(BARE, [first, FAILED], {})["error"] == "DrainRefused"


def test_an_execution_shows_what_its_history_does_not():
    described = {"input": "{}", "error": "DrainRefused", "cause": "A pod is alone.", "name": "another"}
    assert completed(BARE, [], described) == BARE | {
        "input": "{}", "error": "DrainRefused", "cause": "A pod is alone."
    }  # fmt: skip


def test_what_the_event_says_stays():
    said = {"status": "FAILED", "error": "DrainTimedOut", "cause": "Too late."}
    assert completed(said, [FAILED], {"input": "{}", "cause": "Other."}) == said | {"input": "{}"}
