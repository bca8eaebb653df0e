"""A night that nobody has planned: hypothesis decides after each step what goes wrong next.

test_bad_nights.py plays plans; here pods land on cordoned nodes, targets drain, and whoever is
called repairs and redrives at any moment (docs/decisions/0013).
"""

import contextlib
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from stepdrain_sandbox.rehearsal.stage import Death, Stage
from stepdrain_sandbox.workload import daemonset, lone_pod
from tests.properties import play
from tests.properties.nights import APPS, DIES, FAULTS, POLICIES, REFUSALS, Night
from tests.shards import seeded, sharded

NODES = 3
POLICY = POLICIES.map(lambda policy: {**policy, "STEPDRAIN_SETTLE_TIME": "2"})
"""As on AWS, seconds lie between the start and the first eviction."""


class Shift(RuleBasedStateMachine):
    """One group, from quiet to quiet; times in seconds."""

    def __init__(self):
        super().__init__()
        self.opened, self.names, self.events = contextlib.ExitStack(), 0, []

    @initialize(
        policy=POLICY, heartbeat_s=st.sampled_from([300, 1800, 7200]), drains_s=st.sampled_from([0, 40, 300])
    )
    def begin(self, policy, heartbeat_s, drains_s):
        self.policy = policy
        self.stage = Stage(NODES, policy, heartbeat_s)
        self.stage.group.target_drains_s = drains_s
        self.opened.enter_context(
            self.stage.set(daemonset("kube-proxy", list(self.stage.instances.values())))
        )

    def teardown(self):
        """Everything is repaired, and nobody comes any more: each drain must end, and nothing is lost."""
        if hasattr(self, "stage"):
            with self.opened:
                play.repair(self.stage)
                self.stage.clock.run(play.LASTS_S)
                assert self.broken(ended=True) == []

    def broken(self, *, ended):
        night = Night(NODES, [], False, self.policy, 0, len(self.events), 0, [])
        return play.broken(self.stage, night, ended=ended)

    @rule(app=APPS, tolerant=st.booleans())
    def deploy(self, app, tolerant):
        self.names += 1
        made, *budgets = replace(app, twice=False, system=False).manifests(self.names)
        if tolerant:
            made["spec"]["template"]["spec"]["tolerations"] = [{"operator": "Exists"}]
        self.stage.cluster.load([made, *budgets])

    @rule(node=st.integers(0, NODES - 1))
    def land(self, node):
        """A pod that names its node is there whatever the cordon says."""
        self.names += 1
        if self.stage.cluster.get("Node", f"node-{node}") is not None:
            self.stage.cluster.create(lone_pod(f"lone{self.names}", f"node-{node}"))

    @rule(number=st.integers(1, 5), allows=st.integers(-1, 2))
    def edit(self, number, allows):
        if number > self.names:
            return
        play.edit(self.stage, f"app{number}", allows)

    @precondition(lambda self: len(self.events) < NODES)
    @rule(delivered=st.booleans())
    def terminate(self, delivered):
        event = self.stage.terminate(f"i-{len(self.events):017x}")
        self.events.append(event)
        if delivered:
            self.stage.deliver(event)
        else:
            self.stage.clock.call_at(self.stage.clock.now() + 90, lambda: self.stage.deliver(event))

    @precondition(lambda self: self.events)
    @rule(number=st.integers(0, NODES - 1))
    def deliver_again(self, number):
        self.stage.deliver(self.events[number % len(self.events)])

    @rule(fault=FAULTS)
    def cluster_fails(self, fault):
        self.stage.transport.faults.add(play.fault(fault))

    @rule(refusal=REFUSALS)
    def account_refuses(self, refusal):
        self.stage.group.faults.append(refusal)

    @rule(death=DIES)
    def function_dies(self, death):
        self.stage.deaths.append(Death(*death))

    @rule(seconds=st.sampled_from([0, 1, 5, 30, 120, 900, 4000]))
    def pass_time(self, seconds):
        self.stage.clock.run(seconds)

    @rule()
    def repair_and_redrive(self):
        play.repair(self.stage)
        for execution in self.stage.machine.executions.values():
            if execution.status in ("FAILED", "TIMED_OUT"):
                self.stage.machine.redrive(execution)

    @invariant()
    def guarantees_hold(self):
        if hasattr(self, "stage"):
            assert self.broken(ended=False) == []


@sharded
def test_whatever_happens_next_the_guarantees_hold(shard):
    """G4, G5, G7: and as often as it is looked at."""
    examples = settings().max_examples // 5
    shape = settings(max_examples=examples, stateful_step_count=30)
    run_state_machine_as_test(seeded(Shift, shard), settings=shape)
