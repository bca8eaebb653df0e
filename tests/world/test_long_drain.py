"""Time: the longest drain, and the shortest hooks. On the rehearsal's stage, where 48 hours take seconds."""

import pytest

from stepdrain_sandbox.rehearsal.stage import Stage
from stepdrain_sandbox.workload import budget, replica_set

DAY_S = 86_400


def ended(environment, heartbeat_s, within_s):
    """The execution of a drain that a budget blocks for ever, how its action ended, and after how long."""
    stage = Stage(2, environment, heartbeat_s)
    web = [
        replica_set("default", "web", {"app": "web"}, 1, 30),
        budget("default", "web", {"app": "web"}, 0),
    ]
    with stage.set(web):
        instance = next(instance for instance, node in stage.instances.items() if stage.pods_on(node))
        began = stage.clock.now()
        stage.deliver(stage.terminate(instance))
        (execution,) = stage.machine.executions.values()
        until = began + within_s
        while execution.status == "RUNNING" and stage.clock.now() < until:
            stage.clock.run(10)
        return execution, stage.ended, stage.clock.now() - began


def test_a_drain_of_48_hours_keeps_its_instance_and_fits_into_the_history():
    """G8 The longest drain that Auto Scaling allows (48 h) stays below 10,000 history events."""
    execution, action, lasted_s = ended({"STEPDRAIN_DRAIN_TIMEOUT": "172800"}, 1800, 2 * DAY_S)
    assert (execution.status, execution.error) == ("FAILED", "DrainTimedOut")
    assert execution.events < 10_000
    assert 2 * DAY_S - 480 < lasted_s < 2 * DAY_S - 300
    # Auto Scaling has been waiting all the time: one missed heartbeat would have ended the action.
    assert action == []


@pytest.mark.parametrize(
    "heartbeat_s", [30, *(pytest.param(seconds, marks=pytest.mark.long) for seconds in (60, 110, 300, 900))]
)
def test_a_hook_made_by_hand_is_kept_alive_as_long_as_auto_scaling_allows(heartbeat_s):
    """However short its timeout is: 100 of them cap the deadline, and a redrive must still be possible."""
    environment = {"STEPDRAIN_DRAIN_TIMEOUT": "172800", "STEPDRAIN_ON_TIMEOUT": "continue"}
    execution, action, lasted_s = ended(environment, heartbeat_s, 100 * heartbeat_s)
    assert execution.status == "SUCCEEDED"
    assert [how for _, how in action] == ["CONTINUE"]
    assert 100 * heartbeat_s - 130 < lasted_s < 100 * heartbeat_s
    assert execution.events < 24_999
