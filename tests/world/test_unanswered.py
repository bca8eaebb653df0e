"""A function that gives no answer before the node is marked: the hook hears of the drain all the same.

Either the drain goes on when the function answers again, or it fails, and says so, while its instance stands.
"""

from itertools import product

import pytest

from stepdrain_sandbox.rehearsal.auto_scaling import DOWN
from stepdrain_sandbox.rehearsal.stage import DEFINITION, Death, Stage
from stepdrain_sandbox.workload import budget, replica_set
from tests.shards import sampled

ASKING = ["FindNode", "Label", "Cordon"]
HOOKS_S = [300, 1200, 1800, 3600]
HUNG, THROTTLED, CRASH = "States.Timeout", "Lambda.TooManyRequestsException", "Runtime.ExitError"
MANY = 100_000
DAY_S = 86_400


def table(*axes):
    """Each combination; each second one is in `make test`."""
    return sampled(list(product(*axes)), *range(len(axes)), every=2)


class Night:
    """A drain, some of whose functions fail in the same way from the beginning, for ``lasts_s`` seconds."""

    def __init__(self, states, error, hook_s, lasts_s, *, settle_s=0):
        self.stage = Stage(2, {"STEPDRAIN_SETTLE_TIME": str(settle_s)}, hook_s)
        self.error, self.lasts_s, self.states = error, lasts_s, states

    def play(self, for_s=DAY_S, faults=()):
        """The execution after its end, and whether the instance stood until then."""
        with self.stage.set([replica_set("default", "web", {"app": "web"}, 2, 5)]) as stage:
            instance = next(id_ for id_, node in stage.instances.items() if stage.pods_on(node))
            for state in self.states:
                seconds = DEFINITION["States"][state]["TimeoutSeconds"] if self.error == HUNG else 0
                stage.deaths.append(Death(state, self.error, MANY, seconds=seconds))
            stage.group.faults += list(faults)
            stage.clock.call_at(stage.clock.now() + self.lasts_s, stage.deaths.clear)
            began = stage.clock.now()
            stage.deliver(stage.terminate(instance))
            (execution,) = stage.machine.executions.values()
            while execution.status == "RUNNING" and stage.clock.now() < began + for_s:
                stage.clock.run(1)
            self.took_s = stage.clock.now() - began
            return execution, list(stage.ended)


def assert_drained(execution, ended):
    assert (execution.status, execution.error) == ("SUCCEEDED", "")
    assert [how for _, how in ended] == ["CONTINUE"]
    assert execution.document["completed"]["outcome"] == "drained"


@pytest.mark.parametrize(("state", "error", "hook_s"), table(ASKING, [HUNG, THROTTLED, CRASH], HOOKS_S))
def test_ten_minutes_without_a_function_end_no_drain(state, error, hook_s):
    """Whatever the hook holds an instance for: heartbeats come between."""
    execution, ended = Night([state], error, hook_s, 600).play()
    assert_drained(execution, ended)


@pytest.mark.parametrize(("state", "error", "hook_s"), table(ASKING, [HUNG, CRASH], HOOKS_S))
def test_a_function_that_never_answers_fails_the_drain_while_the_instance_stands(state, error, hook_s):
    """G5, within a quarter of an hour: a message about an instance that is gone helps nobody."""
    night = Night([state], error, hook_s, DAY_S)
    execution, ended = night.play()
    assert (execution.status, execution.error, ended) == ("FAILED", "FunctionFailed", [])
    assert execution.entered[-1] == "HoldInstance"
    assert f"{state}: {error}" in execution.cause
    assert 600 <= night.took_s <= 900


@pytest.mark.parametrize(("state", "hook_s"), table(ASKING, HOOKS_S))
def test_forty_minutes_of_throttling_end_no_drain(state, hook_s):
    """It ends by itself, and many drains make it end later."""
    execution, ended = Night([state], THROTTLED, hook_s, 2400).play()
    assert_drained(execution, ended)


def test_each_way_through_label_and_cordon_has_ten_minutes_of_its_own():
    """Eight at the beginning, and eight more where the cordon is lifted while the last pod leaves."""
    stage, gone = Stage(2, {}, 1800), Death("Label", HUNG, MANY, seconds=60)
    held = [replica_set("default", "web", {"app": "web"}, 1, 5), budget("default", "web", {"app": "web"}, 0)]
    with stage.set(held):
        instance, node = next((id_, node) for id_, node in stage.instances.items() if stage.pods_on(node))
        stage.deaths.append(gone)
        stage.deliver(stage.terminate(instance))
        stage.clock.run(480)
        stage.deaths.clear()
        stage.clock.run(180)
        stage.deaths.append(gone)
        stage.cluster.change("Node", node, "", {"spec": {"unschedulable": None}})
        stage.cluster.change("PodDisruptionBudget", "web", "default", {"spec": {"maxUnavailable": 1}})
        stage.clock.run(600)
        stage.deaths.clear()
        stage.clock.run(300)
        (execution,) = stage.machine.executions.values()
    assert execution.entered.count("HoldInstance") > 12
    assert_drained(execution, stage.ended)


@pytest.mark.parametrize(("state", "hook_s"), table(ASKING, HOOKS_S))
def test_a_function_that_is_throttled_for_an_hour_fails_the_drain_while_the_instance_stands(state, hook_s):
    """Longer than the hook holds an instance: nobody would have been notified in time."""
    execution, ended = Night([state], THROTTLED, hook_s, 3600).play()
    assert (execution.status, execution.error, ended) == ("FAILED", "FunctionFailed", [])
    assert f"{state}: {THROTTLED}" in execution.cause


@pytest.mark.parametrize(
    ("state", "error", "hook_s"), table(ASKING, [HUNG, CRASH, THROTTLED], [1200, 1800, 3600])
)
def test_ten_minutes_without_heartbeats_either_are_survived_where_the_hook_allows_it(state, error, hook_s):
    """No function of Lambda's is run to its end: nobody counts, and nobody can tell Auto Scaling."""
    lasts_s = 540 if error == HUNG else 600
    execution, ended = Night([state, "Heartbeat"], error, hook_s, lasts_s).play()
    assert_drained(execution, ended)


@pytest.mark.parametrize(("state", "hook_s"), table(ASKING, [1200, 1800, 3600]))
def test_a_drain_without_any_function_fails_before_the_hook_lets_go(state, hook_s):
    """It fails at HoldInstance, whose own retries are used up."""
    execution, ended = Night([state, "Heartbeat"], HUNG, hook_s, DAY_S).play()
    assert (execution.status, execution.error, ended) == ("FAILED", HUNG, [])
    assert execution.entered[-1] == "HoldInstance"


@pytest.mark.parametrize("hook_s", HOOKS_S)
def test_a_hook_that_cannot_be_told_is_not_waited_out(hook_s):
    """Auto Scaling takes no heartbeat: behind a short hook the drain fails before ten minutes are over."""
    night = Night(["Label"], HUNG, hook_s, DAY_S)
    execution, ended = night.play(faults=[("record_heartbeat", DOWN)] * 1000)
    assert (execution.status, execution.error, ended) == ("FAILED", "FunctionFailed", [])
    assert ("No heartbeat could be sent" in execution.cause) == (hook_s == 300)
    assert night.took_s < min(hook_s, 900)


def test_a_drain_that_has_come_to_its_end_is_let_go_as_the_policy_says():
    """Without its node found; the sentence names what was waited for."""
    night = Night(["FindNode"], THROTTLED, 300, DAY_S)
    night.stage._environment |= {"STEPDRAIN_DRAIN_TIMEOUT": "900", "STEPDRAIN_ON_TIMEOUT": "continue"}
    execution, ended = night.play()
    assert (execution.status, [how for _, how in ended]) == ("SUCCEEDED", ["CONTINUE"])
    assert f"FindNode: {THROTTLED}" in str(execution.document)


@pytest.mark.parametrize("settle_s", [0, 120])
def test_a_hook_hears_of_a_slow_drain_before_the_load_balancers_have_their_time(settle_s):
    """FindNode has answered at the last moment: Label gives way, and the drain begins again."""
    night = Night(["FindNode"], "KubeForbidden", 600, 270, settle_s=settle_s)
    execution, ended = night.play()
    assert_drained(execution, ended)
    assert execution.entered[:6] == ["FindNode", "Label", "HoldInstance", "FindNode", "Label", "Cordon"]


WAITING = ["EvictBatch", "WaitForPods"]


@pytest.mark.parametrize("hook_s", HOOKS_S)
@pytest.mark.parametrize("state", WAITING)
def test_a_state_that_waits_and_never_answers_ends_at_the_deadline_while_the_instance_stands(state, hook_s):
    """Each attempt that hangs leads to Heartbeat, and there the drain's deadline takes effect."""
    execution, ended = Night([state], HUNG, hook_s, DAY_S).play()
    assert (execution.status, execution.error, ended) == ("FAILED", "DrainTimedOut", [])


@pytest.mark.parametrize("hook_s", [1200, 1800, 3600])
@pytest.mark.parametrize("error", [HUNG, CRASH, THROTTLED])
@pytest.mark.parametrize("state", WAITING)
def test_ten_minutes_without_a_function_that_waits_end_no_drain(state, error, hook_s):
    """From the least that the parameter HeartbeatTimeout takes; below it, throttling may outlast the hook."""
    execution, ended = Night([state], error, hook_s, 600).play()
    assert_drained(execution, ended)
