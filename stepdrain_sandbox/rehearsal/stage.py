"""A cluster, a group and the state machine in a single thread, for generated nights."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

from stepdrain import clock as drain_clock
from stepdrain.adapters import connections
from stepdrain.adapters.kube import calls as adapter
from stepdrain.adapters.kube import watches

from stepdrain_deployed import DRAIN_NODE
from stepdrain_engine import definition, functions
from stepdrain_engine.history import Count, History
from stepdrain_engine.interpreter import TaskFailed
from stepdrain_engine.machine import Machine
from stepdrain_sandbox.aws.account import ACCOUNT, REGION
from stepdrain_sandbox.kube.cluster import Cluster
from stepdrain_sandbox.rehearsal.auto_scaling import Group
from stepdrain_sandbox.rehearsal.clock import QuietClock
from stepdrain_sandbox.rehearsal.transport import Transport, in_turns
from stepdrain_sandbox.rollout_witness import RolloutWitness
from stepdrain_sandbox.witness import Witness
from stepdrain_sandbox.world import CLUSTER, GROUP, HOOK, everybody, node_manifest, rbac_manifests

Json = dict[str, Any]
TEXT = DRAIN_NODE.read_text()


def substituted(text: str) -> Json:
    """The definition in an .asl.json file, with the functions' ARNs in it."""
    return definition.parse(definition.substituted(text, functions.substitutions(text, REGION, ACCOUNT)))


DEFINITION = substituted(TEXT)
MACHINE_ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:DrainNode"
RBAC_MANIFESTS = rbac_manifests({"RollBlocked": "blocked"})
AT_ONCE = 150
"""More invocations than that at one moment are laps without a pause, which would fill a history."""
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"


@dataclass
class Death:
    """The next ``times`` invocations of a function fail with ``error``, before or ``after`` their work.

    Each takes ``seconds``: all of its state's TimeoutSeconds where the function hangs.
    """

    state: str
    error: str
    times: int = 1
    after: bool = False
    seconds: float = 0.0


class Stage:
    """A small stepdrain_sandbox.world.World; ``environment`` has ``STEPDRAIN_…`` variables for the functions.

    ``recording``: executions keep their histories, which takes time. ``machine``: another definition than the
    present one, substituted.
    """

    def __init__(
        self,
        nodes: int,
        environment: dict[str, str],
        heartbeat_s: int = 1800,
        *,
        recording: bool = False,
        machine: Json = DEFINITION,
    ) -> None:
        self.clock = QuietClock()
        self.cluster = Cluster(self.clock)
        self.witness = Witness()
        self.rollout_witness = RolloutWitness(self.clock.now)
        for witness in (self.witness, self.rollout_witness):
            self.cluster.store.subscribe(witness.see)
        self.transport = Transport(self.clock, self.cluster, everybody("stepdrain", RBAC_MANIFESTS))
        # The longest pause that jitter can draw: what holds for it holds for shorter pauses.
        self.machine = Machine(
            machine,
            self.clock,
            self._invoke,
            arn=MACHINE_ARN,
            jitter=lambda longest: longest,
            log=self._history if recording else Count,
        )
        self.group = Group(self.clock, self.machine.start, self._gone, self.machine.started_at, heartbeat_s)
        self.instances = {f"i-{number:017x}": f"node-{number}" for number in range(nodes)}
        self.group.names = dict(self.instances)
        self.ended: list[tuple[str, str]] = []
        """(instance id, CONTINUE, ABANDON or timed out) in order."""
        self.deaths: list[Death] = []
        self.skew_s = 0.0
        """Seconds by which the functions' clock is ahead."""
        self.intake_errors: list[str] = []
        self._moment, self._invoked = 0.0, 0
        self._environment = {
            "STEPDRAIN_CLUSTER": CLUSTER,
            "STEPDRAIN_STATE_MACHINE_ARN": MACHINE_ARN,
            "STEPDRAIN_ACCOUNT_ID": ACCOUNT,
            "STEPDRAIN_HOOK_NAME": HOOK,
            "STEPDRAIN_GROUP_NAMES": GROUP,
            **environment,
        }

    @contextlib.contextmanager
    def set(self, manifests: Iterable[Json]) -> Iterator[Stage]:
        """Inside this context the cluster runs ``manifests``, and functions use this cluster and group."""
        kube = self.transport.kube()
        with (
            mock.patch.dict(os.environ, self._environment),
            mock.patch.object(connections, "kube", return_value=kube),
            mock.patch.object(connections, "aws", return_value=self.group),
            mock.patch.object(drain_clock, "source", self._functions_now),
            mock.patch.object(drain_clock, "sleeper", self.clock.run),
            mock.patch.object(watches, "merged", in_turns),
            # Evictions one after the other, so that a fault hits the same eviction each time.
            mock.patch.object(adapter, "WORKERS", 1),
        ):
            self.cluster.load(RBAC_MANIFESTS)
            for instance_id, name in self.instances.items():
                self.cluster.create(node_manifest(name, instance_id))
            self.clock.run(1)
            self.cluster.load(manifests)
            self.clock.run(30)
            yield self

    def _history(self) -> History:
        return History(self.clock.now)

    def _functions_now(self) -> float:
        return self.clock.now() + self.skew_s

    def terminate(self, instance_id: str) -> Json:
        """Let the instance wait behind the hook; returns the hook's event."""
        token = str(uuid.UUID(int=int(instance_id[2:], 16) + (len(self.ended) << 64)))
        self.group.wait_for(instance_id, token)
        detail = {
            "LifecycleActionToken": token,
            "AutoScalingGroupName": GROUP,
            "LifecycleHookName": HOOK,
            "EC2InstanceId": instance_id,
            "LifecycleTransition": TERMINATING,
        }
        return {
            "source": "aws.autoscaling",
            "detail-type": "EC2 Instance-terminate Lifecycle Action",
            "account": ACCOUNT,
            "region": REGION,
            "detail": detail,
        }

    def deliver(self, event: Json, attempt: int = 0) -> None:
        """Invoke StartDrain; if it fails, again after one and after two more minutes, as Lambda does."""
        try:
            self._invoke("StartDrainFunction", event)
        except TaskFailed as failure:
            if attempt == 2:
                self.intake_errors.append(failure.error)
                return
            self.clock.call_at(
                self.clock.now() + 60 * (attempt + 1), lambda: self.deliver(event, attempt + 1)
            )

    def _invoke(self, function: str, event: Json) -> Any:
        state = functions.name(function)
        self._count(state)
        death = next((death for death in self.deaths if death.state == state and death.times > 0), None)
        if death is not None:
            death.times -= 1
            if not death.after:
                self.clock.run(death.seconds)
                raise TaskFailed(death.error, "simulated")
        answer = functions.invoke(functions.handler(function), event, None)
        if death is not None:
            self.clock.run(death.seconds)
            raise TaskFailed(death.error, "simulated")
        return answer

    def _count(self, state: str) -> None:
        """Raise RuntimeError for laps without a pause, in which no time would ever pass."""
        if self._moment != self.clock.now():
            self._moment, self._invoked = self.clock.now(), 0
        self._invoked += 1
        if self._invoked > AT_ONCE:
            raise RuntimeError(f"G8: {self._invoked} invocations without a pause, the last one of {state}.")

    def pods_on(self, node: str) -> list[Json]:
        """The pods bound to a node."""
        return self.cluster.pods_on(node)

    def _gone(self, instance_id: str, result: str) -> None:
        """The machine is off: its Node and its pods vanish."""
        self.ended.append((instance_id, result))
        name = self.instances[instance_id]
        self.witness.machine_off(instance_id, self.pods_on(name))
        self.cluster.power_off(name)
