"""What every handler has: a clock that runs out, and a name for each error that leaves it."""

import importlib
import pkgutil

import pytest
from stepdrain import steps
from stepdrain.adapters import invocation
from stepdrain.errors import KubeForbidden, UnexpectedError
from stepdrain.reporting.links import anchor


class Context:
    def get_remaining_time_in_millis(self):
        return 4500


def failing(error):
    def handler(_event, _context):
        raise error

    return invocation.handler(handler)


def test_an_error_that_nobody_foresaw_has_a_name_and_says_what_to_send():
    """The state machine, the runbook and the mail know the names of stepdrain.errors alone."""
    with pytest.raises(UnexpectedError) as raised:
        failing(KeyError("targetGroupARN"))({}, None)
    sentence = str(raised.value)
    for part in ("KeyError: 'targetGroupARN'", "in handler", "line ", "maintainers", "Stepdrain 0.1.0"):
        assert part in sentence
    assert isinstance(raised.value.__cause__, KeyError)
    assert anchor("UnexpectedError") == "unexpectederror"


def test_errors_of_ours_pass_as_they_are():
    """Retry and Catch match their names."""
    error = KubeForbidden("no")
    with pytest.raises(KubeForbidden) as raised:
        failing(error)({}, None)
    assert raised.value is error


def test_what_an_error_quotes_is_cut_off():
    """The cause of a failed state has a limit of its own, and an event may be long."""
    with pytest.raises(UnexpectedError) as raised:
        failing(ValueError("x" * 100_000))({}, None)
    assert len(str(raised.value)) < 1000


def test_a_handler_knows_how_long_it_may_still_run():
    """Outside Lambda nobody cuts it off; the time of one invocation is not another's."""
    seen = invocation.handler(lambda _event, _context: invocation.time_left())
    assert (seen({}, Context()), seen({}, None)) == (4.5, float("inf"))
    assert invocation.time_left() == float("inf")


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(steps.__path__)])
def test_every_handler_is_one_of_these(name):
    """A new step without it would show a name that no runbook has."""
    handler = importlib.import_module(f"stepdrain.steps.{name}").handler
    assert handler.__code__ is failing(KeyError()).__code__
    assert handler.__wrapped__.__module__ == f"stepdrain.steps.{name}"
