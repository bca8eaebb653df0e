"""Scenes in real time, all at once in one world: kubectl itself beside Stepdrain, a node for each.

What kubectl does here is also played by its schedule (bench.waiting.virtual): that shows whether it fits.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stepdrain.clock import to_epoch_s

from bench import workload
from bench.one_node import stepdrain as drained_alone
from bench.waiting import scenes, virtual
from bench.waiting.scenes import Scene
from stepdrain_sandbox.clock import RealClock
from stepdrain_sandbox.kube.store import Change
from stepdrain_sandbox.world import World, node_manifest

Json = dict[str, Any]
WITHIN_S = 180
LOOK_S = 0.05
SPARE, SPARE_INSTANCE = "spare", "i-0123456789abcdef0"
SCENES = [
    *(scenes.tight_budget(5 + more) for more in (0.5, 2.5, 4.5)),
    scenes.freed_budget(22.5),
    scenes.refusing_webhook(62.5),
    scenes.long_grace(7.3),
]
"""Short, and at instants at which a moment more or less moves kubectl's schedule by nothing."""
APART_S = 1.0
"""Between two beginnings: the tools' own start takes a processor for a moment."""


@dataclass
class Run:
    """One tool in one scene; times in seconds from its beginning."""

    tool: str
    scene: Scene
    node: str
    instance_id: str
    namespace: str
    began: float = 0.0
    gone: list[float] = field(default_factory=list)
    done: float | None = None
    process: subprocess.Popen[bytes] | None = None


def play(kubectl: str | None, say: Callable[[str], None]) -> list[Json]:
    """Each run as JSON: ``tool``, ``kind``, ``after_s``; ``first_s``, ``gone_s``, ``done_s`` from its
    beginning; ``late_s``: how much after it could be done at best."""
    tools = ["stepdrain", *(["kubectl"] if kubectl else [])]
    wanted = [(tool, scene) for scene in SCENES for tool in tools]
    clock = RealClock()
    try:
        # The functions write their metrics to standard output.
        with contextlib.redirect_stdout(io.StringIO()), _world(clock, len(wanted)) as world:
            runs = list(_prepared(world, wanted))
            _all(world, runs)
            found = [_document(world, run) for run in runs]
    finally:
        clock.close()
    for run in found:
        say(
            f"{run['tool']}, {run['kind']} {run['after_s']} s, in real time: done after {run['done_s']:.2f} s"
        )
    return found


def _world(clock: RealClock, runs: int) -> World:
    graces = [[2] * 3, *[[]] * runs]
    return World(clock=clock, nodes=runs + 1, workload=lambda nodes: workload.on_each(nodes, graces))


def _prepared(world: World, wanted: Sequence[tuple[str, Scene]]) -> Iterator[Run]:
    """The scenes' pods, each on its node and in its namespace; replacements find room on a node besides."""
    cluster = world.kube.cluster
    cluster.create(node_manifest(SPARE, SPARE_INSTANCE))
    (warm_up, _), *others = world.instances.items()
    for number, ((tool, scene), (instance_id, node)) in enumerate(zip(wanted, others, strict=True)):
        namespace = f"scene-{number}"
        cluster.load(scene.manifests(namespace, node, SPARE))
        if scene.prepare is not None:
            scene.prepare(cluster, namespace)
        yield Run(tool, scene, node, instance_id, namespace)
    drained_alone(world, warm_up)


def _all(world: World, runs: Sequence[Run]) -> None:
    """Begin all runs, and wait until each has ended."""
    cluster, clock = world.kube.cluster, world.clock
    by_uid = {pod["metadata"]["uid"]: run for run in runs for pod in world.pods_on(run.node)}

    def see(change: Change) -> None:
        run = by_uid.get(change.object["metadata"]["uid"])
        if change.type == "DELETED" and run is not None:
            run.gone.append(clock.now() - run.began)

    cluster.store.subscribe(see)
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory, "config")
        config.write_text(world.kube.kubeconfig())
        for run in runs:
            _begin(world, run, config)
            time.sleep(APART_S)
        ends_at = time.monotonic() + WITHIN_S
        while unfinished := [run for run in runs if run.done is None]:
            if time.monotonic() > ends_at:
                named = ", ".join(f"{run.tool} ({run.scene.kind})" for run in unfinished)
                raise TimeoutError(f"Not ended within {WITHIN_S} s: {named}.")
            time.sleep(LOOK_S)
            for run in unfinished:
                _look(world, run)


def _begin(world: World, run: Run, config: Path) -> None:
    run.began = world.clock.now()
    scene, cluster, namespace = run.scene, world.kube.cluster, run.namespace
    if scene.change is not None and scene.changes_at_s is not None:
        change = scene.change
        world.clock.call_at(run.began + scene.changes_at_s, lambda: change(cluster, namespace))
    if run.tool == "stepdrain":
        world.terminate(run.instance_id)
        return
    command = ["kubectl", "drain", run.node, "--ignore-daemonsets", "--delete-emptydir-data", "--force"]
    options = [f"--kubeconfig={config}", f"--cache-dir={config.parent}/{namespace}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run.process = subprocess.Popen([*command, *options], **quiet)  # type: ignore[call-overload]


def _look(world: World, run: Run) -> None:
    if run.process is None:
        ended = [at for at, _, instance_id in world.aws.hooks.log if instance_id == run.instance_id]
        run.done = ended[0] - run.began if ended else None
    elif (status := run.process.poll()) is not None:
        if status:
            raise RuntimeError(f"kubectl ended with exit status {status} ({run.scene.kind}).")
        run.done = world.clock.now() - run.began


def _document(world: World, run: Run) -> Json:
    asked = [
        event
        for event in world.kube.audit_log
        if event["objectRef"].get("subresource") == "eviction"
        and event["objectRef"]["namespace"] == run.namespace
    ]
    return {
        "tool": run.tool,
        "kind": run.scene.kind,
        "after_s": run.scene.after_s,
        "first_s": to_epoch_s(asked[0]["requestReceivedTimestamp"]) - run.began,
        "gone_s": max(run.gone),
        "done_s": run.done,
        "late_s": (run.done or 0) - (max(run.gone) if run.scene.exits_after_s else run.scene.due_s),
    }


def check(found: Sequence[Json]) -> list[Json]:
    """Each scene: when kubectl was done, and when its schedule says, in seconds from the beginning."""
    checked = []
    for scene in SCENES:
        measured = next(
            run for run in found
            if (run["tool"], run["kind"], run["after_s"]) == ("kubectl", scene.kind, scene.after_s)
        )  # fmt: skip
        played = virtual.kubectl(scene, measured["first_s"])
        what = {"kind": scene.kind, "after_s": scene.after_s}
        checked.append({**what, "real_s": measured["done_s"], "schedule_s": played.done})
    return checked
