"""From the bus to a function, with Lambda's two retries, and to the queue of what was not taken."""

import json

import boto3
import pytest

from stepdrain_sandbox.aws.account import ACCOUNT, REGION, InvocationFailed
from stepdrain_sandbox.aws.delivery import Delivery
from stepdrain_sandbox.aws.event_invoke_config import EventInvokeConfig
from stepdrain_sandbox.aws.load import TOO_MANY
from tests.sandbox.aws.conftest import T0

EVENT = {"source": "aws.autoscaling", "detail-type": "D", "detail": {"n": 1}}
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:intake"


class Bus:
    """A rule on the default bus whose target is a function that fails so many times."""

    def __init__(self, clock):
        self.clock, self.failures, self.throttled, self.asked = clock, 0, False, []
        self.sqs = boto3.client("sqs", region_name=REGION)
        self.queue = self.sqs.create_queue(QueueName="dead")["QueueUrl"]
        self.config = EventInvokeConfig(queue="dead")
        self.delivery = Delivery(clock, self.invoke, ACCOUNT, REGION, lambda _name: self.config)
        self.rule()

    def rule(self, target=FUNCTION, **fields):
        events = boto3.client("events", region_name=REGION)
        pattern = json.dumps({"source": ["aws.autoscaling"]})
        events.put_rule(Name="r", EventPattern=pattern, **fields)
        events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": target}])

    def invoke(self, name, event):
        self.asked.append((self.clock.now() - T0, name, event))
        if self.throttled:
            raise InvocationFailed(TOO_MANY)
        if len(self.asked) <= self.failures:
            raise LookupError("no such group")
        return {"fine": True}

    def send(self, event=EVENT, wait_s=600):
        self.clock.enter()
        self.delivery.send(event)
        self.clock.sleep(wait_s)
        self.clock.leave()

    def letters(self):
        messages = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    @property
    def times(self):
        return [at for at, _, _ in self.asked]


@pytest.fixture
def bus(clock, account):
    """The bus, its rule and its queue."""
    return Bus(clock)


def test_a_matching_rule_invokes_its_function_with_the_event(bus):
    """Once, when all is well."""
    bus.send()
    assert bus.asked == [(0, "intake", EVENT)]
    assert bus.letters() == []


def test_what_does_not_match_goes_nowhere(bus):
    """The rule is the first filter."""
    bus.send({**EVENT, "source": "aws.ec2"})
    assert bus.asked == []


def test_a_disabled_rule_delivers_nothing(bus):
    """An operator's way to pause."""
    bus.rule(State="DISABLED")
    bus.send()
    assert bus.asked == []


def test_a_failed_invocation_is_repeated_after_one_and_two_minutes(bus):
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""
    bus.failures = 2
    bus.send()
    assert bus.times == [0, 60, 180]
    assert bus.letters() == []


def test_what_failed_three_times_is_kept_with_the_reason(bus):
    """G6; the letter has the form of Lambda's on-failure destination."""
    bus.failures = 99
    bus.send()
    assert bus.times == [0, 60, 180]
    (letter,) = bus.letters()
    assert letter["requestPayload"] == EVENT
    assert letter["requestContext"]["condition"] == "RetriesExhausted"
    assert letter["requestContext"]["approximateInvokeCount"] == 3
    assert letter["responsePayload"]["errorMessage"] == "no such group"
    assert letter["responsePayload"]["errorType"] == "LookupError"


def test_what_lambda_throttles_is_tried_for_six_hours_and_then_kept(bus):
    """After a second, doubled up to five minutes; no attempt of the function's own is used up by it.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """
    bus.throttled = True
    bus.send(wait_s=6 * 3600 - 1)
    assert bus.times[:12] == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111]
    assert bus.letters() == []
    assert 6 * 3600 - 300 <= bus.times[-1] <= 6 * 3600
    bus.clock.enter()
    bus.clock.sleep(1)
    bus.clock.leave()
    (letter,) = bus.letters()
    assert letter["requestPayload"] == EVENT
    assert letter["requestContext"]["condition"] == "EventAgeExceeded"


def test_a_function_says_how_old_its_events_may_get(bus):
    """The template's MaximumEventAgeInSeconds: the event is given up then, not at the next attempt."""
    bus.config = EventInvokeConfig(oldest_s=900, queue="dead")
    bus.throttled = True
    bus.send(wait_s=899)
    assert (bus.times[-1], bus.letters()) == (811, [])
    bus.clock.enter()
    bus.clock.sleep(3600)
    bus.clock.leave()
    assert bus.times[-1] == 811
    assert [letter["requestContext"]["condition"] for letter in bus.letters()] == ["EventAgeExceeded"]


def test_an_event_that_is_too_old_is_not_retried_after_an_error_either(bus):
    """The age counts from the event, not from the attempt that failed."""
    bus.config, bus.failures = EventInvokeConfig(oldest_s=150, queue="dead"), 99
    bus.send()
    assert bus.times == [0, 60]
    assert [letter["requestContext"]["condition"] for letter in bus.letters()] == ["EventAgeExceeded"]


@pytest.mark.parametrize(("retries", "times"), [(0, [0]), (1, [0, 60]), (2, [0, 60, 180])])
def test_a_function_says_how_often_it_is_retried(bus, retries, times):
    """The template's MaximumRetryAttempts."""
    bus.config, bus.failures = EventInvokeConfig(retries=retries, queue="dead"), 99
    bus.send()
    assert bus.times == times
    assert [letter["requestContext"]["condition"] for letter in bus.letters()] == ["RetriesExhausted"]


def test_a_function_without_a_queue_loses_the_event(bus):
    """As on AWS; which functions have one, the tests of the template say."""
    bus.failures, bus.config = 99, EventInvokeConfig()
    bus.send()
    assert (len(bus.asked), bus.letters()) == (3, [])


def test_a_queue_is_a_target_too(bus):
    """It gets the event itself."""
    bus.rule(target=f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead")
    bus.send()
    assert bus.letters() == [EVENT]
