"""An account without the stack: moto with this project's patches, on a virtual clock."""

import json

import boto3
import pytest

from stepdrain_sandbox.aws import engine, mocked, redrive, service_models
from stepdrain_sandbox.aws.account import ACCOUNT, REGION, SURROUNDINGS
from stepdrain_sandbox.clock import VirtualClock

ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
T0 = 1_767_225_600.0
"""2026-01-01T00:00:00Z, where a virtual clock begins."""


def task(function="work", **fields):
    """A Task that invokes a function of the test and ends the execution."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {
            "FunctionName": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}",
            "Payload.$": "$",
        },
        "End": True,
        **fields,
    }


class Engine:
    """Runs state machines whose functions are Python callables: ``functions[name](event)``."""

    def __init__(self, clock):
        self.clock, self.functions, self.ended = clock, {}, []
        self.client = boto3.client("stepfunctions", region_name=REGION)

    def invoke(self, name, event):
        return self.functions[name](event)

    def start(self, *states, given=None, **machine):
        """Start an execution of states called A, B, …; its ARN."""
        named = {chr(ord("A") + number): state for number, state in enumerate(states)}
        definition = json.dumps({"StartAt": "A", "States": named, **machine})
        made = self.client.create_state_machine(name="m", definition=definition, roleArn=ROLE)
        return self.client.start_execution(
            stateMachineArn=made["stateMachineArn"], name="e", input=json.dumps(given or {})
        )["executionArn"]

    def pass_time(self, seconds):
        self.clock.enter()
        self.clock.sleep(seconds)
        self.clock.leave()

    def finish(self, arn, within_s=86_400):
        """DescribeExecution once the execution has closed."""
        while (shown := self.client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            self.pass_time(within_s / 100)
        return shown

    def run(self, *states, **options):
        return self.finish(self.start(*states, **options))

    def events(self, arn, kind):
        history = self.client.get_execution_history(executionArn=arn)["events"]
        return [event for event in history if event["type"] == kind]


@pytest.fixture
def clock():
    """A virtual clock of the test's own."""
    clock = VirtualClock(T0)
    yield clock
    clock.close()


@pytest.fixture
def account(monkeypatch):
    """An empty account."""
    for name, value in SURROUNDINGS.items():
        monkeypatch.setenv(name, value)
    with service_models.made_once(), mocked.account():
        yield


@pytest.fixture
def machine(clock, account):
    """The engine on the clock."""
    made = Engine(clock)
    with engine.running(clock, made.invoke, made.ended.append), redrive.possible(clock):
        yield made
