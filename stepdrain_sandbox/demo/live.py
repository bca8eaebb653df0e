"""Shows a drain as it happens: states from the history, pods from the cluster, in one stream of lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stepdrain_recorded.history_lines import state_line
from stepdrain_sandbox.demo import cluster_lines
from stepdrain_sandbox.world import World

Json = dict[str, Any]
LOOK_EVERY_S = 0.1
"""By the wall, so that lines come as things happen; in virtual time a second will do."""


class Live:
    """Prints what is new since the last look, each line with the seconds since the beginning."""

    def __init__(
        self,
        world: World,
        say: Callable[[str], None],
        machines: Sequence[str] = ("DrainNode",),
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._world, self._say, self._machines, self._look_every_s = world, say, machines, look_every_s
        self._began = world.clock.now()
        self._told: dict[str, int] = {}
        self._over: dict[str, Any] = {}
        """When each execution ended whose lines are printed; a redrive ends at another time."""
        self._pods = self._snapshot()
        self._edges: dict[str, str] = {}

    def say(self, line: str) -> None:
        """One line, with its time."""
        self._say(f"{self._world.clock.now() - self._began:6.1f}s  {line}")

    def follow(self, ended: Callable[[], bool], within_s: float) -> bool:
        """Look until ``ended``; False if that took longer than ``within_s`` seconds."""
        until = self._world.clock.now() + within_s
        while self._world.clock.now() < until:
            done = ended()
            self.look()
            if done:
                return True
            self._world.clock.sleep(self._look_every_s)
        return False

    def look(self) -> None:
        """Say what is new."""
        for machine in self._machines:
            for execution in self._world.executions(machine):
                self._states(execution)
        now = self._snapshot()
        for line in cluster_lines.pod_lines(self._pods, now):
            self.say(line)
        self._pods = now
        edges = cluster_lines.edges(self._world.kube.cluster.list("VolumeAttachment"), self._targets())
        for line in cluster_lines.edge_lines(self._edges, edges):
            self.say(line)
        self._edges = edges

    def _targets(self) -> dict[str, dict[str, str]]:
        return {instance: self._world.balancers.states(instance) for instance in self._world.instances}

    def _states(self, execution: Json) -> None:
        arn = execution["executionArn"]
        ended = execution.get("stopDate")
        if ended is not None and ended == self._over.get(arn):
            return
        history = self._world.history(arn)
        for event in history[self._told.get(arn, 0) :]:
            line = state_line(event)
            if line is not None:
                self.say(line)
        self._told[arn] = len(history)
        self._over[arn] = ended

    def _snapshot(self) -> dict[str, Json]:
        pods = self._world.kube.cluster.list("Pod")
        return {f"{p['metadata']['namespace']}/{p['metadata']['name']}": p for p in pods}
