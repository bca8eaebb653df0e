"""Scheduled rules fire on the world's clock."""

import pytest

from stepdrain_sandbox.aws.schedules import interval_s
from stepdrain_sandbox.world import World


@pytest.mark.parametrize(
    ("expression", "seconds"), [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(2 hours)", 7200)]
)
def test_a_rate_is_a_number_and_its_unit(expression, seconds):
    """As EventBridge takes it, with the plural where there is more than one."""
    assert interval_s(expression) == seconds


@pytest.mark.parametrize(
    "expression", ["rate(1 minutes)", "rate(5 minute)", "rate(0 hours)", "cron(0 * * * ? *)"]
)
def test_any_other_expression_is_refused(expression):
    """A rule that silently never fires would be a guarantee that nobody keeps."""
    with pytest.raises(ValueError, match="rate"):
        interval_s(expression)


def sweeps(world):
    return [answer for name, answer in world.aws.delivery.answers if name.endswith("SweepFunction")]


def test_a_scheduled_rule_fires_at_its_rate_and_on_no_event():
    """EventBridge fires it first when its time has passed once."""
    with World(nodes=1, parameters={"SweepMinutes": "2"}) as world:
        began = len(sweeps(world))
        world.pass_time(601)
        assert len(sweeps(world)) - began == 5
        world.aws.delivery.send({"source": "aws.autoscaling", "detail-type": "any", "detail": {}})
        world.pass_time(1)
        assert len(sweeps(world)) - began == 5
