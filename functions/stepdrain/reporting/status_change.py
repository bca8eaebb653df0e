"""The event ``Step Functions Execution Status Change``, and what it leaves out.

It has no input, output, error and cause if a key of the account's own encrypts the execution
(https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html, FAQs), and never an input or
output of more than 248 KiB (https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LEFT_OUT = ("input", "output", "error", "cause")
ENDS = (
    "executionFailedEventDetails",
    "executionTimedOutEventDetails",
    "executionAbortedEventDetails",
    "executionSucceededEventDetails",
)
"""Where GetExecutionHistory has the output, or error and cause
(https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html)."""


def is_complete(detail: Mapping[str, Any]) -> bool:
    """Whether ``detail`` leaves nothing out: an execution has an input, and an output if it succeeded."""
    return bool(detail.get("input")) and (detail["status"] != "SUCCEEDED" or bool(detail.get("output")))


def completed(
    detail: Mapping[str, Any], history: Sequence[Mapping[str, Any]], described: Mapping[str, Any]
) -> dict[str, Any]:
    """``detail`` with what it leaves out.

    ``history`` has GetExecutionHistory's events in any order, ``described`` DescribeExecution's answer. The
    history goes first: DescribeExecution is eventually consistent and may not know the end yet
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html).
    """
    found = dict(detail)
    for source in (_end(history), described):
        found |= {name: source[name] for name in LEFT_OUT if source.get(name) and not found.get(name)}
    return found


def _end(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    ends = [(event["id"], event[name]) for event in history for name in ENDS if name in event]
    return max(ends, key=lambda end: end[0])[1] if ends else {}
