"""An API server that does not answer for a while: when it is asked again, and what a deadline makes of it.

On the rehearsal's stage, where each request has a moment of its own.
"""

import pytest
from stepdrain.clock import to_epoch_s, to_rfc3339

from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.kube.status import failure
from stepdrain_sandbox.rehearsal.stage import Stage
from stepdrain_sandbox.workload import budget, replica_set
from stepdrain_sandbox.world import CLUSTER

HELD = [replica_set("default", "web", {"app": "web"}, 1, 30), budget("default", "web", {"app": "web"}, 0)]
TAKEN_AFTER_S = 120


def interrupted(stage):
    """A drain of an instance that EC2 takes in two minutes."""
    instance_id = next(iter(stage.instances))
    ends_at = to_rfc3339(stage.clock.now() + TAKEN_AFTER_S)
    document = {"instanceId": instance_id, "cluster": CLUSTER, "reason": "spot", "endsAt": ends_at}
    stage.machine.start("x", document)


def asked(stage):
    return [to_epoch_s(event["requestReceivedTimestamp"]) for event in stage.transport.audit_log]


@pytest.mark.parametrize("lasts_s", [17, 38, 41.5, 44])
@pytest.mark.parametrize("path", ["/nodes", "/nodes/node-0$", "/pods"])
def test_an_interrupted_drain_asks_again_at_once_when_an_outage_is_over(path, lasts_s):
    """Of two minutes none may be slept away: FindNode, Label, Cordon and EvictBatch alike."""
    stage = Stage(1, {})
    with stage.set([]):
        stage.transport.faults.add(Fault(path=path, status=503), lasts_s=lasts_s)
        over_at = stage.clock.now() + lasts_s
        interrupted(stage)
        stage.clock.run(TAKEN_AFTER_S)
        assert min(at for at in asked(stage) if at >= over_at) - over_at <= 5


def test_throttling_by_aws_is_not_asked_again_in_step():
    """A thousand notices ask EC2 in the same second; only Retry's random pauses take them apart."""
    stage = Stage(1, {})
    with stage.set([]):
        stage.group.faults.append(("instance", ("Throttling", "Rate exceeded", 400)))
        interrupted(stage)
        stage.clock.run(TAKEN_AFTER_S)
        (execution,) = stage.machine.executions.values()
        assert execution.status == "SUCCEEDED"
        began = execution.started_at
        # The longest pause that jitter can draw before the first repetition.
        assert min(asked(stage)) - began >= 2


def unanswered(timeout_s, heartbeat_s):
    """A drain whose cluster answers nothing from its tenth second on, until its deadline is well over."""
    stage = Stage(2, {"STEPDRAIN_DRAIN_TIMEOUT": str(timeout_s)}, heartbeat_s)
    with stage.set(HELD):
        instance_id = next(instance for instance, node in stage.instances.items() if stage.pods_on(node))
        stage.deliver(stage.terminate(instance_id))
        stage.clock.run(10)
        stage.transport.faults.add(Fault(times=-1, status=503, body="out of order"))
        stage.clock.run(timeout_s - 10 + 5)
        (execution,) = stage.machine.executions.values()
        return stage, execution


@pytest.mark.parametrize("heartbeat_s", [60, 300, 1800])
def test_a_cluster_that_never_answers_again_holds_up_no_deadline(heartbeat_s):
    """An attempt that begins at the deadline looks once: two more minutes would be two after it."""
    stage, execution = unanswered(4000, heartbeat_s)
    assert (execution.status, execution.error) == ("FAILED", "DrainTimedOut")
    assert stage.ended == []


def test_the_error_of_a_long_outage_is_named_once():
    """Beside the pods that were known: a message with the same sentence twenty times names nothing else."""
    _, execution = unanswered(4000, 1800)
    assert "default/web-" in execution.cause
    assert execution.cause.count("out of order") == 1


@pytest.mark.parametrize("skew_s", [-90, -1, 90])
def test_refused_evictions_are_asked_again_after_a_pause_whatever_the_functions_clock_says(skew_s):
    """G8 Whether a heartbeat has come since is not read from Step Functions' clock and the functions'."""
    stage = Stage(2, {"STEPDRAIN_ON_TIMEOUT": "fail", "STEPDRAIN_DRAIN_TIMEOUT": "600"})
    with stage.set(HELD[:1]):
        instance_id = next(id_ for id_, node in stage.instances.items() if stage.pods_on(node))
        stage.skew_s = float(skew_s)
        denied = failure(403, "", 'admission webhook "guard.example.com" denied the request: not this pod')
        stage.transport.faults.add(Fault("create", "/eviction", -1, denied.status, denied.body))
        stage.deliver(stage.terminate(instance_id))
        stage.clock.run(900)
        evictions = [event for event in stage.transport.audit_log if "/eviction" in event["requestURI"]]
        (execution,) = stage.machine.executions.values()
        assert execution.error == "DrainTimedOut"
        assert 50 < len(evictions) < 160
