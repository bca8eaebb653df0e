"""A call that is throttled is made again for as long as its caller has patience, and no longer."""

import pytest
from botocore.exceptions import EndpointConnectionError
from stepdrain import clock
from stepdrain.adapters.aws.calls import call, patience
from stepdrain.errors import AwsDenied, AwsThrottled, AwsUnavailable

from stepdrain_sandbox.aws.account import client_error


@pytest.fixture
def time(monkeypatch):
    """A clock that only pauses move; the pauses."""
    pauses = []
    monkeypatch.setattr(clock, "source", lambda: 1000.0 + sum(pauses))
    monkeypatch.setattr(clock, "sleeper", pauses.append)
    return pauses


class Service:
    """Answers with these errors, one after the other, and then with "done"."""

    def __init__(self, *errors):
        self.errors, self.asked = list(errors), 0

    def operate(self):
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


THROTTLED = client_error("Operate", "ThrottlingException", "Rate exceeded")
SILENT = EndpointConnectionError(endpoint_url="https://aws.invalid")


@pytest.mark.parametrize("error", [THROTTLED, SILENT, client_error("Operate", "InternalError", "x", 500)])
def test_what_may_succeed_in_a_moment_is_asked_again(time, error):
    """Within one invocation: Lambda's own next attempt comes after a minute."""
    service = Service(*[error] * 3)
    with patience(10):
        assert call(service, "operate") == "done"
    assert service.asked == 4
    assert len(time) == 3


def test_pauses_are_random_and_grow(time, monkeypatch):
    """Full jitter: a thousand that were throttled together do not come back together."""
    monkeypatch.setattr("random.random", lambda: 1.0)
    with patience(100):
        call(Service(*[THROTTLED] * 6), "operate")
    assert time == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0]


def test_patience_ends_with_a_last_attempt_when_its_time_is_over(time):
    """Not later, for the function's timeout would hide the error."""
    service = Service(*[THROTTLED] * 999)
    with patience(5), pytest.raises(AwsThrottled):
        call(service, "operate")
    assert sum(time) == pytest.approx(5)
    assert service.asked == len(time) + 1


@pytest.mark.parametrize("error", [THROTTLED, SILENT])
def test_without_patience_a_call_is_made_once(time, error):
    """A state of the machine repeats it, where an operator sees it."""
    service = Service(error)
    with pytest.raises((AwsThrottled, AwsUnavailable)):
        call(service, "operate")
    assert (service.asked, time) == (1, [])


def test_a_refusal_is_not_asked_again(time):
    """It would be refused again."""
    with patience(10), pytest.raises(AwsDenied):
        call(Service(client_error("Operate", "AccessDenied", "no", 403)), "operate")
    assert time == []


def test_an_inner_patience_counts_alone(time):
    """A look that is cheap or not made, within what is worth waiting for."""
    service = Service(THROTTLED)
    with patience(100):
        with patience(0), pytest.raises(AwsThrottled):
            call(service, "operate")
        assert call(Service(THROTTLED), "operate") == "done"
