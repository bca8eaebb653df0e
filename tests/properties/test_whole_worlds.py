"""Twenty generated nights in the whole world: sockets, TLS, RBAC, threads, moto's interpreter.

What the rehearsal leaves out (docs/decisions/0013) is all here; it costs a second a night.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from stepdrain_sandbox.aws.account import AwsFault, LambdaFault, client_error
from stepdrain_sandbox.judgement import broken
from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.world import World
from tests.properties.nights import POLICIES, nights
from tests.shards import sharded

EXAMPLES, MORE = 1, 12
"""Nights in each shard."""
CALLS = {
    "group_tags": "DescribeAutoScalingGroups",
    "hook": "DescribeLifecycleHooks",
    "started_at": "DescribeExecution",
    "start_execution": "StartExecution",
    "instance": "DescribeInstances",
    "record_heartbeat": "RecordLifecycleActionHeartbeat",
    "complete_action": "CompleteLifecycleAction",
}
PARAMETERS = {
    "STEPDRAIN_ON_TIMEOUT": "OnTimeout",
    "STEPDRAIN_DRAIN_TIMEOUT": "DrainTimeout",
    "STEPDRAIN_EVICT_UNMANAGED": "EvictUnmanaged",
    "STEPDRAIN_BATCH_SIZE": "BatchSize",
    "STEPDRAIN_ROLL": "RollBlocked",
}
SHORT = POLICIES.map(lambda policy: {**policy, "STEPDRAIN_DRAIN_TIMEOUT": "900"})


@sharded
@settings(max_examples=MORE if settings.get_current_profile_name() == "more" else EXAMPLES)
@given(nights(policy=SHORT, victims=st.just(1), edits=st.just([]), skews=st.just([])))
def test_a_night_in_the_whole_world_keeps_the_guarantees(shard, night):
    """G1 to G9, judged by the emulator's audit log, its disruption controller and the histories."""
    parameters = {PARAMETERS[name]: value for name, value in night.policy.items()}
    hook = {"HeartbeatTimeout": night.heartbeat_s}
    with World(workload=night.manifests, nodes=night.nodes, parameters=parameters, hook=hook) as world:
        for fault in night.faults:
            world.clock.call_at(world.clock.now() + fault.at_s, lambda fault=fault: injected(world, fault))
        world.aws.aws_faults += [
            AwsFault(CALLS[call], client_error(CALLS[call], code, message, status))
            for call, (code, message, status) in night.refusals
        ]
        world.aws.lambda_faults += [LambdaFault(f"{state}Function", *rest) for state, *rest in night.deaths]
        world.terminate(next(iter(world.instances)))
        world.pass_time(7200)
        assert all(execution["status"] != "RUNNING" for execution in world.executions())
        assert broken(world, policy=night.policy["STEPDRAIN_ON_TIMEOUT"]) == []


def injected(world, fault):
    if fault.watch:
        world.kube.faults.add(Fault(fault.verb, times=fault.times, watch=fault.watch))
        return
    cut = {"lost": "reset"}.get(fault.cut, fault.cut) or ("" if fault.status else "reset")
    world.kube.faults.add(
        Fault(
            fault.verb, times=fault.times, status=fault.status, body="{cut", cut="" if fault.status else cut
        )
    )
