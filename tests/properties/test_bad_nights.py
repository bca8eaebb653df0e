"""Whatever the night, the guarantees hold.

Six properties: 78 nights in `make test`, 3,120 in `make test-all`, 60,000 new ones in `make test-more`.
Each runs in one thread on the rehearsal's stage (docs/decisions/0013); test_whole_worlds.py
plays some of them in the whole world.
"""

from hypothesis import given
from hypothesis import strategies as st

from tests.properties.nights import (
    DENIED_BY_WEBHOOK,
    NODES_CHANGED,
    POLICIES,
    REFUSED,
    App,
    Fault,
    Night,
    nights,
)
from tests.properties.play import broken, play
from tests.shards import nightly

QUIET = {"refusals": st.just([]), "deaths": st.just([]), "skews": st.just([])}
PATIENT = st.just(
    {
        "STEPDRAIN_ON_TIMEOUT": "fail",
        "STEPDRAIN_DRAIN_TIMEOUT": "3600",
        "STEPDRAIN_EVICT_UNMANAGED": "true",
        "STEPDRAIN_BATCH_SIZE": "120",
        "STEPDRAIN_ROLL": "blocked",
    }
)


@nightly
@given(nights())
def test_any_night_keeps_the_guarantees(shard, night):
    """All at once. G1 Order; G3 DaemonSet pods and mirror (static) pods stay;
    G4 `CompleteLifecycleAction` is sent exactly when nothing evictable is left on the node;
    G5 A failed drain stops at the state that failed, with an error that has a name.
    """
    assert broken(play(night), night) == []


@nightly
@given(nights(policy=PATIENT, refusals=st.just([]), deaths=st.just([]), skews=st.just([])))
def test_a_cluster_on_a_bad_night_keeps_the_guarantees(shard, night):
    """G2 Only the Eviction API (`policy/v1`) removes pods, so PodDisruptionBudgets hold;
    G10 A workload that is rolled instead of evicted never falls below its budget because of us.
    """
    stage = play(night)
    assert broken(stage, night) == []
    assert not any(event["verb"] == "delete" for event in stage.transport.audit_log)


@nightly
@given(nights(faults=st.just([]), lone=st.just(False), edits=st.just([])))
def test_an_account_on_a_bad_night_keeps_the_guarantees(shard, night):
    """G7 One event delivered twice is one execution. Every step is idempotent by itself, too."""
    assert broken(play(night), night) == []


@nightly
@given(
    nights(
        policy=POLICIES.map(lambda policy: {**policy, "STEPDRAIN_ON_TIMEOUT": "fail"}),
        redrive_after_s=st.lists(st.just(10), min_size=3, max_size=3),
        heartbeat_s=st.just(7200),
    )
)
def test_a_redriven_night_keeps_the_guarantees(shard, night):
    """G5 A redrive goes on from that state with fresh retries and a fresh deadline."""
    assert broken(play(night), night) == []


@nightly
@given(
    nights(
        # A webhook that denies until the deadline is asked again and again: ten minutes show what 60 do.
        policy=PATIENT.map(lambda policy: {**policy, "STEPDRAIN_DRAIN_TIMEOUT": "600"}),
        faults=st.lists(DENIED_BY_WEBHOOK | REFUSED, min_size=1, max_size=2),
        **QUIET,
    )
)
def test_one_odd_answer_stops_no_drain(shard, night):
    """What a webhook denies is held like what a budget holds; ten seconds of 401 or 403 pass."""
    stage = play(night)
    assert broken(stage, night) == []
    ends = {execution.error for execution in stage.machine.executions.values()}
    assert not ends & {"KubeForbidden", "KubeRejected", "KubeUnauthorized", "KubeConflict"}


@nightly
@given(
    nights(
        policy=PATIENT,
        victims=st.just(1),
        nodes_changed=st.lists(NODES_CHANGED, min_size=1, max_size=1),
        faults=st.just([]),
        **QUIET,
    )
)
def test_a_node_that_changes_under_its_drain_is_drained(shard, night):
    """A lifted cordon, a Node registered anew, a stale twin: only what budgets hold ends otherwise."""
    stage = play(night)
    assert broken(stage, night) == []
    ends = [(execution.status, execution.error) for execution in stage.machine.executions.values()]
    assert set(ends) <= {("SUCCEEDED", ""), ("FAILED", "DrainTimedOut"), ("FAILED", "LifecycleActionExpired")}


def test_a_cordon_that_is_lifted_at_once_is_set_again_before_the_end():
    """G4: while lists are refused the cordon is lifted, and the evicted pod's successor lands on the node."""
    night = Night(
        nodes=1,
        apps=[App(replicas=1, grace_s=0, allows=None)],
        lone=False,
        policy={"STEPDRAIN_ON_TIMEOUT": "fail", "STEPDRAIN_DRAIN_TIMEOUT": "600"},
        heartbeat_s=1800,
        victims=1,
        apart_s=0,
        deliveries=[0],
        faults=[Fault(at_s=0, verb="list", status=0, cut="", times=-1, refuse="token")],
        nodes_changed=[(1, 0, "cordon lifted")],
    )
    stage = play(night)
    assert broken(stage, night) == []
    (execution,) = stage.machine.executions.values()
    assert (execution.status, execution.entered.count("FindNode")) == ("SUCCEEDED", 2)


def test_a_node_that_is_registered_anew_before_its_cordon_is_cordoned_before_evictions():
    """G1 Order: Cordon meets another Node of that name, which FindNode finds before anything is evicted."""
    refused = Fault(at_s=0, verb="patch", status=0, cut="", times=-1, refuse="token")
    night = Night(
        nodes=1,
        apps=[App(replicas=1, grace_s=0, allows=None)],
        lone=False,
        policy={"STEPDRAIN_ON_TIMEOUT": "fail", "STEPDRAIN_DRAIN_TIMEOUT": "600"},
        heartbeat_s=1800,
        victims=1,
        apart_s=0,
        deliveries=[0],
        faults=[refused],
        nodes_changed=[(1, 0, "registered anew")],
    )
    stage = play(night)
    assert broken(stage, night) == []
    (execution,) = stage.machine.executions.values()
    assert (execution.status, execution.entered.count("FindNode")) == ("SUCCEEDED", 2)
