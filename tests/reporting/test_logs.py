"""What the functions write into their log, and what Lambda's client for Python makes of their errors."""

import datetime
import json
import logging
import sys
import traceback

import pytest
from stepdrain.errors import KubeUnavailable, PodsRemaining
from stepdrain.reporting import logs


@pytest.fixture
def on_lambda(monkeypatch):
    """As in a function's process."""
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    yield
    if hasattr(sys, "tracebacklimit"):
        del sys.tracebacklimit


def frames(error):
    """As awslambdaric reads them (bootstrap.py, extract_traceback)."""
    return traceback.extract_tb(error.__traceback__)


def raising(error):
    @logs.waits
    def handler(event, context):
        raise error

    with pytest.raises(type(error)) as raised:
        handler({}, None)
    return frames(raised.value)


def test_an_expected_wait_has_no_stack_trace_in_the_log(on_lambda):
    """It comes with each attempt of a drain that waits for hours."""
    assert raising(PodsRemaining("3 pods are left")) == []


def test_any_other_error_has_its_stack_trace_also_after_a_wait(on_lambda):
    """A container lives on from one to the other."""
    raising(PodsRemaining("3 pods are left"))
    assert "handler" in [frame.name for frame in raising(KubeUnavailable("reset"))]


def test_outside_of_lambda_no_limit_is_set():
    """It would hide the stacks of everybody else in the process."""
    raising(PodsRemaining("3 pods are left"))
    assert not hasattr(sys, "tracebacklimit")


def test_a_lines_time_is_rfc_3339():
    """Lambda's JSON format keeps the level of such lines alone."""
    record = logging.LogRecord("stepdrain", logging.WARNING, __file__, 1, "recorded", None, None)
    line = json.loads(logs.logger().registered_formatter.format(record))
    assert datetime.datetime.fromisoformat(line["timestamp"]).tzinfo is not None
    assert "T" in line["timestamp"]
    assert "," not in line["timestamp"]
