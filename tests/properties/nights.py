"""Generated nights: a cluster, its drains, and what goes wrong, as plain data that hypothesis can shrink."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from stepdrain.document.progress import HOLD_INSTANCE
from stepdrain.rules.policy import ON_TIMEOUT, ROLL

from stepdrain_sandbox.rehearsal.auto_scaling import DENIED, DOWN, THROTTLED
from stepdrain_sandbox.rehearsal.stage import DEFINITION
from stepdrain_sandbox.workload import budget, daemonset, deployment, lone_pod, replica_set

FUNCTIONS = [
    name
    for name, state in DEFINITION["States"].items()
    if state["Type"] == "Task" and name != HOLD_INSTANCE  # which calls Heartbeat's
]
CALLS = (
    "group_tags", "hook", "started_at", "start_execution", "instance", "record_heartbeat",
    "complete_action",
)  # fmt: skip
DEATHS = ("Sandbox.Timedout", "Runtime.ExitError", "Runtime.OutOfMemory", "Lambda.Unknown", "States.Timeout")
STATUSES = (0, 401, 403, 409, 429, 500, 503, 200)
"""0 is a connection that is reset, 200 an answer that is no JSON."""
NODE_CHANGES = ("cordon lifted", "registered anew", "stale twin")
HOURS_S = 3600


@dataclass(frozen=True)
class App:
    """A ReplicaSet, or a Deployment if it has a ``strategy`` (fields of its rollingUpdate).

    ``allows``: pods its budget lets be down, None for no budget; ``twice``: two of them.
    """

    replicas: int
    grace_s: int
    allows: int | str | None
    twice: bool = False
    system: bool = False
    strategy: tuple[tuple[str, int | str], ...] | None = None

    def manifests(self, number: int) -> list[dict[str, Any]]:
        """The workload ``app<number>`` and its budgets."""
        labels, name = {"app": str(number)}, f"app{number}"
        priority = "system-cluster-critical" if self.system else ""
        made = [replica_set("default", name, labels, self.replicas, self.grace_s, priority)]
        if self.strategy is not None:
            strategy = {"type": "RollingUpdate", "rollingUpdate": dict(self.strategy)}
            options: dict[str, Any] = {"strategy": strategy, "ready_after_s": 5}
            made = [deployment("default", name, labels, self.replicas, self.grace_s, **options)]
        if self.allows is not None:
            made.append(budget("default", name, labels, self.allows))
        if self.twice:
            made.append(budget("default", f"{name}-too", labels, 1))
        return made


@dataclass(frozen=True)
class Fault:
    """From ``at_s`` on, ``times`` requests of this verb are answered so; ``cut``: how an answer is lost.

    ``watch``: what becomes of watches instead (stepdrain_sandbox.kube.faults.Fault). ``webhook``: the status
    with which an admission webhook denies evictions instead. ``refuse``: "token" or "rbac", for ten seconds.
    """

    at_s: int
    verb: str
    status: int
    cut: str
    times: int
    watch: str = ""
    webhook: int = 0
    refuse: str = ""


@dataclass(frozen=True)
class Night:
    """All that happens. Times in seconds from the first termination."""

    nodes: int
    apps: list[App]
    lone: bool
    policy: dict[str, str]
    heartbeat_s: int
    victims: int
    apart_s: int
    deliveries: list[int]
    """When the event of each instance is delivered, once or more often, in any order."""
    faults: list[Fault] = field(default_factory=list)
    refusals: list[tuple[str, tuple[str, str, int]]] = field(default_factory=list)
    deaths: list[tuple[str, str, int, bool]] = field(default_factory=list)
    edits: list[tuple[int, int, int]] = field(default_factory=list)
    """(when, which app, how many its budget allows from then on; -1: the budget is deleted)."""
    skews: list[tuple[int, int]] = field(default_factory=list)
    """(when, by how many seconds the functions' clock is off from then on)."""
    nodes_changed: list[tuple[int, int, str]] = field(default_factory=list)
    """(when, which victim's Node, what happens to it: one of NODE_CHANGES)."""
    redrive_after_s: list[int] = field(default_factory=list)

    def manifests(self, nodes: list[str]) -> list[dict[str, Any]]:
        """The workload, for nodes of these names."""
        made = list(daemonset("kube-proxy", nodes))
        for number, app in enumerate(self.apps):
            made += app.manifests(number)
        if self.lone:
            made.append(lone_pod("lone", nodes[0]))
        return made


APPS = st.builds(
    App,
    replicas=st.integers(1, 4),
    grace_s=st.sampled_from([0, 1, 5, 30, 120, 1200]),
    allows=st.sampled_from([None, 0, 1, 2, "50%"]),
    twice=st.booleans().flatmap(lambda odd: st.booleans() if odd else st.just(False)),
    system=st.booleans(),
    strategy=st.sampled_from([None, (), (("maxUnavailable", 0),), (("maxUnavailable", 1), ("maxSurge", 1))]),
)
REFUSED = st.builds(
    Fault,
    at_s=st.sampled_from([0, 2, 60]),
    verb=st.sampled_from(["get", "list", "patch", "create", ".*"]),
    status=st.just(0),
    cut=st.just(""),
    times=st.just(-1),
    refuse=st.sampled_from(["token", "rbac"]),
)
DENIED_BY_WEBHOOK = st.builds(
    Fault,
    at_s=st.sampled_from([0, 2, 60]),
    verb=st.just("create"),
    status=st.just(0),
    cut=st.just(""),
    times=st.sampled_from([1, 5, 40, -1]),
    webhook=st.sampled_from([400, 403, 429, 500]),
)
FAULTS = (
    st.builds(
        Fault,
        at_s=st.sampled_from([0, 0, 2, 10, 60, 600]),
        verb=st.sampled_from(["get", "list", "patch", "create", "watch", "delete", ".*"]),
        status=st.sampled_from(STATUSES),
        cut=st.sampled_from(["", "", "lost", "truncate"]),
        times=st.sampled_from([1, 2, 5, 40]),
    )
    | st.builds(
        Fault,
        at_s=st.sampled_from([0, 2, 60]),
        verb=st.just("watch"),
        status=st.just(0),
        cut=st.just(""),
        times=st.sampled_from([1, 5, -1]),
        watch=st.sampled_from(["buffered", "silent", "ends", "expired", "cut"]),
    )
    | REFUSED
    | DENIED_BY_WEBHOOK
)
REFUSALS = st.tuples(st.sampled_from(CALLS), st.sampled_from([THROTTLED, DENIED, DOWN]))
DIES = st.tuples(
    st.sampled_from([*FUNCTIONS, "StartDrain"]),
    st.sampled_from([*DEATHS, "KeyError"]),
    st.sampled_from([1, 2, 15]),
    st.booleans(),
)
NODES_CHANGED = st.tuples(
    st.sampled_from([0, 1, 5, 35, 61, 301, 1600]), st.integers(0, 1), st.sampled_from(NODE_CHANGES)
)
POLICIES = st.fixed_dictionaries(
    {
        "STEPDRAIN_ON_TIMEOUT": st.sampled_from(ON_TIMEOUT),
        "STEPDRAIN_DRAIN_TIMEOUT": st.sampled_from(["60", "300", "900", "3600", "7200"]),
        "STEPDRAIN_EVICT_UNMANAGED": st.sampled_from(["true", "true", "false"]),
        "STEPDRAIN_BATCH_SIZE": st.sampled_from(["1", "2", "120"]),
        "STEPDRAIN_ROLL": st.sampled_from(ROLL),
    }
)


def nights(**fixed: Any) -> st.SearchStrategy[Night]:
    """Any night; ``fixed`` replaces what is drawn for a field."""
    drawn: dict[str, Any] = {
        "nodes": st.integers(1, 4),
        "apps": st.lists(APPS, max_size=3),
        "lone": st.booleans(),
        "policy": POLICIES,
        "heartbeat_s": st.sampled_from([300, 900, 1800, 7200]),
        "victims": st.integers(1, 2),
        "apart_s": st.sampled_from([0, 3, 60]),
        "deliveries": st.lists(st.sampled_from([0, 1, 90, 2000]), min_size=1, max_size=3),
        "faults": st.lists(FAULTS, max_size=3),
        "refusals": st.lists(REFUSALS, max_size=3),
        "deaths": st.lists(DIES, max_size=2),
        "edits": st.lists(
            st.tuples(st.sampled_from([5, 300, 301, 1500]), st.integers(0, 2), st.integers(-1, 2)), max_size=3
        ),
        "skews": st.lists(st.tuples(st.sampled_from([0, 5, 600]), st.integers(-90, 90)), max_size=2),
        # Of two between the same heartbeats a drain looks for one (states/protection.py).
        "nodes_changed": st.lists(NODES_CHANGED, max_size=1),
        "redrive_after_s": st.lists(st.sampled_from([10, 600, 3000]), max_size=2),
    }
    return st.builds(Night, **{**drawn, **fixed})
