"""A function's first breath: import, init and first invocation of what is deployed, each in a process.

Each handler of the template runs from the built layer and code under Lambda's own client
(awslambdaric), once with bytecode and once without. It really asks: the cluster is the emulator,
AWS a stub that gives every service an answer.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from stepdrain.clock import now, to_rfc3339

from bench import workload
from bench.aws_stub import AwsStub, answering
from bench.process import Moment, moment
from bench.targets import Target
from stepdrain_sandbox.aws.deploy import ROOT, translate
from stepdrain_sandbox.built import artifacts
from stepdrain_sandbox.built.artifacts import Built
from stepdrain_sandbox.built.runtime_api import invoke, serving
from stepdrain_sandbox.clock import RealClock
from stepdrain_sandbox.kube.eks_token import EksTokens
from stepdrain_sandbox.kube.rbac import EVERYTHING, User
from stepdrain_sandbox.kube.server import KubeServer
from stepdrain_sandbox.world import node_manifest

Json = dict[str, Any]
PART = "cold start"
INIT_CPU_S, PEAK_BYTES = 0.45, 75_000_000
REPEATS = {True: 2, False: 1}
"""Runs with and without bytecode; the least CPU of them counts, the rest is the machine's other work."""
INSTANCE, CLUSTER, ACCESS_KEY = "i-0123456789abcdef0", "demo", "AKIAEXAMPLE"
LIFECYCLE = {
    "group": "workers",
    "hook": "stepdrain",
    "token": "87654321-4321-4321-4321-210987654321",
    "heartbeatTimeout": 1800,
    "globalTimeout": 172800,
}
ENDS_WELL = ("response", "PodsRemaining")
"""How a first invocation may end: the pods are still there, since nothing evicted them."""
SHOWN = 8
"""Packages named in the table of imports."""


def measure(say: Callable[[str], None]) -> Json:
    """Every function with and without bytecode, and what its import consists of."""
    artifact = artifacts.made()
    handlers = functions()
    with _surroundings() as environment, tempfile.TemporaryDirectory() as scratch:
        measured = [
            _function(name, handler, _copy(artifact, Path(scratch), compiled), environment, compiled)
            for compiled in (True, False)
            for name, handler in handlers.items()
        ]
        contributors = _contributors(_copy(artifact, Path(scratch), True), environment)
    for function in measured:
        name, compiled = function["function"], function["compiled"]
        say(f"{name}, bytecode {compiled}: init {function['init_cpu_s']:.2f} s of CPU")
    return {"python": _version(artifact.interpreter), "functions": measured, "contributors": contributors}


def functions() -> dict[str, str]:
    """The handlers of the template by their resource's logical id."""
    resources = translate(ROOT / "template.yaml", {"ClusterName": CLUSTER})["Resources"]
    found = {
        key: function for key, function in resources.items() if function["Type"] == "AWS::Lambda::Function"
    }
    return {key: resource["Properties"]["Handler"] for key, resource in found.items()}


def _version(interpreter: str) -> str:
    command = [interpreter, "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _copy(artifact: Built, scratch: Path, compiled: bool) -> Built:
    """The artifact with bytecode, that of the runtime's own packages too, or without any."""
    target = scratch / ("compiled" if compiled else "source")
    parts = {"layer": artifact.layer, "function": artifact.function, "runtime": artifact.runtime}
    layer, function, runtime = (target / name for name in parts)
    copied = replace(artifact, layer=layer, function=function, runtime=runtime)
    if not target.exists():
        ignored = shutil.ignore_patterns("__pycache__")
        for name, path in parts.items():
            shutil.copytree(path, target / name, ignore=None if compiled else ignored)
        if compiled:
            for name in parts:
                options = ["-q", "--invalidation-mode", "unchecked-hash", "-j", "2"]
                subprocess.run(
                    [artifact.interpreter, "-m", "compileall", *options, target / name], check=True
                )
    return copied


@contextmanager
def _surroundings() -> Iterator[dict[str, str]]:
    """Environment of a function that finds an EKS cluster with one node of ten pods."""
    clock = RealClock()
    tokens = EksTokens(CLUSTER, {ACCESS_KEY: User("stepdrain", (EVERYTHING,))})
    try:
        with KubeServer(clock, authenticate=tokens) as kube:
            kube.cluster.create(node_manifest(INSTANCE, INSTANCE))
            kube.cluster.load(workload.on_each([INSTANCE], [[30] * 10]))
            uid = (kube.cluster.get("Node", INSTANCE) or {})["metadata"]["uid"]
            with serving(answering(AwsStub(kube.url, kube.ca_pem))) as address:
                yield {"AWS_ENDPOINT_URL": f"http://{address}", "BENCH_NODE_UID": uid}
    finally:
        clock.close()


def _event(handler: str, uid: str) -> Json:
    if handler == "stepdrain.steps.start_drain.handler":
        found: Json = json.loads((ROOT / "tests" / "events" / "terminate-lifecycle-action.json").read_text())
        return found
    if handler == "stepdrain.steps.notify.handler":
        arn = f"arn:aws:states:eu-west-1:123456789012:execution:stepdrain:{INSTANCE}-87654321"
        detail = {"executionArn": arn, "name": "x", "status": "FAILED", "startDate": 0, "input": "{}"}
        return {"region": "eu-west-1", "detail": detail}
    begun = to_rfc3339(now())
    document: Json = {
        "instanceId": INSTANCE,
        "cluster": CLUSTER,
        "reason": "scale-in",
        "lifecycle": LIFECYCLE,
    }
    if handler != "stepdrain.steps.find_node.handler":
        document["node"] = {"name": INSTANCE, "uid": uid}
    return {
        "execution": {"Name": "x", "StartTime": begun},
        "state": {"Name": "s", "EnteredTime": begun, "RetryCount": 0},
        "drain": document,
        # What is measured is work, not waiting.
        "waitSeconds": 0,
    }


def _function(
    name: str, handler: str, artifact: Built, environment: Mapping[str, str], compiled: bool
) -> Json:
    runs = [_run(handler, artifact, environment) for _ in range(REPEATS[compiled])]
    least = min(runs, key=lambda run: run["init_cpu_s"])
    if least["ended"] not in ENDS_WELL:
        raise RuntimeError(f"{name} ended with {least['ended']}: its figure would be that of a failure.")
    return {"function": name.removesuffix("Function"), "compiled": compiled, **least}


def _run(handler: str, artifact: Built, environment: Mapping[str, str]) -> Json:
    seen: dict[str, Moment] = {}
    settings = {
        "LOG_LEVEL": "CRITICAL",
        "STEPDRAIN_STATE_MACHINE_ARN": "arn:aws:states:eu-west-1:123456789012:stateMachine:stepdrain",
        "STEPDRAIN_ACCOUNT_ID": "123456789012",
        "STEPDRAIN_HOOK_NAME": "stepdrain",
        "STEPDRAIN_TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:stepdrain",
    }
    with open(os.devnull, "w") as silence:
        result = invoke(
            artifact.command(handler),
            {**artifact.environment(), **settings, **environment},
            _event(handler, environment["BENCH_NODE_UID"]),
            log=silence,
            observe=lambda when, pid: seen.update({when: moment(pid)}),
        )
    return {
        "handler": handler,
        "import_cpu_s": _import_cpu_s(handler, artifact, environment),
        "init_cpu_s": seen["init"].cpu_s,
        "invoked_cpu_s": seen["invoked"].cpu_s,
        "peak_bytes": seen["invoked"].peak_bytes,
        "ended": result.body.get("errorType", result.kind) if result.kind == "error" else result.kind,
    }


def _python(artifact: Built, environment: Mapping[str, str], *arguments: str) -> str:
    command = [artifact.interpreter, "-S", *arguments]
    done = subprocess.run(
        command, env={**artifact.environment(), **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def _import_cpu_s(handler: str, artifact: Built, environment: Mapping[str, str]) -> float:
    module = handler.rpartition(".")[0]
    code = f"import time; b = time.process_time(); import {module}; print(time.process_time() - b)"
    return float(_python(artifact, environment, "-c", code))


def _contributors(artifact: Built, environment: Mapping[str, str]) -> Json:
    """Share of each top-level package in the import of a step that asks the cluster."""
    said = _python(
        artifact,
        environment,
        "-X",
        "importtime",
        "-c",
        "import stepdrain.steps.wait_for_pods, stepdrain.adapters.kube",
    )
    return dict(islice(by_package(said).items(), SHOWN))


def by_package(importtime: str) -> dict[str, float]:
    """Each top-level package's own share (0 to 1) of what ``-X importtime`` wrote, the largest first."""
    own: Counter[str] = Counter()
    for us, name in re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", importtime, re.M):
        own[name.split(".")[0]] += int(us)
    return {name: us / own.total() for name, us in own.most_common()}


def targets(measured: Json) -> list[Target]:
    """Init and memory of every function with bytecode."""
    compiled = [function for function in measured["functions"] if function["compiled"]]
    return [
        *(
            Target(PART, f"init of {function['function']}", function["init_cpu_s"], INIT_CPU_S, "s of CPU")
            for function in compiled
        ),
        *(
            Target(
                PART,
                f"peak memory of {function['function']}",
                function["peak_bytes"] / 1e6,
                PEAK_BYTES / 1e6,
                "MB",
            )
            for function in compiled
        ),
    ]
