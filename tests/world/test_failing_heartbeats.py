"""A heartbeat that cannot be sent ends no drain while the hook has time, and holds up no eviction."""

import pytest

from stepdrain_recorded import audit
from stepdrain_sandbox.rehearsal.auto_scaling import DOWN, THROTTLED
from stepdrain_sandbox.rehearsal.stage import Death, Stage
from stepdrain_sandbox.workload import budget, replica_set

HOOK_S, DUE_S = 1800, 840
MANY = 10_000


def drained(fails, until_s, free_after_s, died=0):
    """A drain behind a budget that gives way; from the first heartbeat on they fail, until ``until_s``."""
    stage = Stage(2, {}, HOOK_S)
    web = [replica_set("default", "web", {"app": "web"}, 1, 5), budget("default", "web", {"app": "web"}, 0)]
    with stage.set(web):
        instance = next(instance for instance, node in stage.instances.items() if stage.pods_on(node))
        began = stage.clock.now()
        stage.deliver(stage.terminate(instance))
        stage.group.faults += [("record_heartbeat", fails)] * MANY if fails else []
        stage.deaths += [Death("Heartbeat", "Sandbox.Timedout", MANY)] if not fails else []
        stage.clock.call_at(began + until_s, stage.group.faults.clear)
        stage.clock.call_at(began + until_s, stage.deaths.clear)
        free = {"spec": {"maxUnavailable": 1}}
        stage.clock.call_at(
            began + free_after_s,
            lambda: stage.cluster.change("PodDisruptionBudget", "web", "default", free),
        )
        stage.clock.run(free_after_s + 300)
    (execution,) = stage.machine.executions.values()
    accepted = [
        change
        for change in audit.changes(stage.transport.audit_log)
        if (change.kind, change.status) == ("evict", 201)
    ]
    return stage, execution, [change.at for change in accepted]


@pytest.mark.parametrize("fails", [THROTTLED, DOWN, None])
def test_a_minute_without_heartbeats_is_made_up_for(fails):
    """The hook has 16 minutes left: throttled, no answer, or a function that dies."""
    stage, execution, _ = drained(fails, DUE_S + 60, 2700)
    assert (execution.status, execution.error) == ("SUCCEEDED", "")
    # Without a heartbeat between 900 and 1800 s, Auto Scaling would have ended the action.
    assert [how for _, how in stage.ended] == ["CONTINUE"]


@pytest.mark.parametrize("fails", [THROTTLED, DOWN])
def test_evictions_go_on_meanwhile(fails):
    """The budget gives way after 1000 s, and heartbeats fail for ever."""
    stage, execution, accepted = drained(fails, MANY, 1000)
    assert [how for _, how in stage.ended] == ["CONTINUE"]
    assert execution.status == "SUCCEEDED"
    # The stage starts at 00:00:00 and the drain 31 s later; within seconds of 1000 s.
    assert [at[11:18] for at in accepted] == ["00:17:1"]
