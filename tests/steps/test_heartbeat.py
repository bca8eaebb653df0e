"""Heartbeat: Auto Scaling keeps the instance, or the drain ends at its deadline."""

import pytest
from stepdrain.document.progress import Progress
from stepdrain.errors import DrainTimedOut, LifecycleActionExpired
from stepdrain.states import waiting
from stepdrain.steps import heartbeat

from stepdrain_sandbox.aws.account import AwsFault, client_error


def beats(world, instance):
    return [what for _, what, whose in world.aws.hooks.log if whose == instance]


def test_a_heartbeat_restarts_the_hooks_timeout(world, step, held):
    """The instance would go after 1,800 s; with a heartbeat in between it has 1,800 more."""
    instance, document = held
    world.pass_time(1200)
    record = heartbeat.handler(step(document), None)
    assert (record["number"], record["next"]) == (1, "EvictBatch")
    world.pass_time(1200)
    assert world.lifecycle_state(instance) == "Terminating:Wait"
    world.pass_time(700)
    assert world.lifecycle_state(instance) == ""
    assert beats(world, instance) == ["heartbeat", "timed out"]


def test_two_heartbeats_are_no_harm(world, step, held):
    """A retry after a lost answer."""
    instance, document = held
    assert heartbeat.handler(step(document), None) == heartbeat.handler(step(document), None)
    assert beats(world, instance) == ["heartbeat", "heartbeat"]


@pytest.mark.parametrize(("why", "then"), [(waiting.CROWDED, ""), ("a proxy", "a proxy")])
def test_a_drain_that_was_throttled_watches_again(world, step, held, why, then):
    """Others may have left room; what cannot watch at all is not tried again."""
    _, document = held
    progress = Progress(0, world.clock.now(), unwatched=why).to_document()
    assert heartbeat.handler(step(document, progress=progress), None)["unwatched"] == then


def test_an_action_that_is_over_ends_the_drain(world, step, held):
    """The instance is going; whoever reads the error must not hope for a redrive."""
    instance, document = held
    world.pass_time(1801)
    with pytest.raises(LifecycleActionExpired, match=f"no longer waits for {instance}"):
        heartbeat.handler(step(document), None)


def test_at_the_deadline_a_last_heartbeat_is_sent_first(world, step, held):
    """So that whoever is called has a whole heartbeat timeout."""
    instance, document = held
    event = step(document, policy={"drainTimeout": 600})
    world.pass_time(600)
    with pytest.raises(DrainTimedOut):
        heartbeat.handler(event, None)
    assert beats(world, instance) == ["heartbeat"]


def test_throttling_leads_back_to_the_drain(world, step, held):
    """After three requests within seconds: evictions must not wait for a heartbeat that may be sent later."""
    _, document = held
    error = client_error("RecordLifecycleActionHeartbeat", "Throttling", "Rate exceeded")
    fault = AwsFault("RecordLifecycleActionHeartbeat", error, times=-1)
    world.aws.aws_faults.append(fault)
    made = len(world.aws.calls)
    record = world.aws.invoke("stepdrain-HeartbeatFunction", step(document))
    fault.times = 0
    assert len(world.aws.calls) - made == 3
    assert (record["number"], record["next"]) == (0, "EvictBatch")
    assert record["heartbeatTriedAt"]
