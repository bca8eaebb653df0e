"""A thousand pods of 11 KB on one node: what their list costs the adapter, and the client's own models.

Each way runs in a process of its own, against a server that answers with the same bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import yaml

from bench.process import moment
from bench.targets import Target
from stepdrain_sandbox.aws.deploy import ROOT
from stepdrain_sandbox.built.runtime_api import serving

Json = dict[str, Any]
PART = "listing"
PODS, POD_BYTES = 1000, 11_000
WAYS = ("adapter", "models")
SHARE_OF_MODELS = 0.25


def measure(say: Callable[[str], None]) -> Json:
    """CPU seconds and memory (bytes, above what the import took) of both ways."""
    body = json.dumps(pod_list(PODS, POD_BYTES)).encode()

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with serving(Server) as address, tempfile.TemporaryDirectory() as directory:
        config = Path(directory, "config")
        config.write_text(yaml.safe_dump(_kubeconfig(f"http://{address}")))
        ways = {way: _in_its_own_process(way, config) for way in WAYS}
    for way, cost in ways.items():
        say(f"{PODS} pods by {way}: {cost['cpu_s']:.2f} s of CPU, {cost['memory_bytes'] / 1e6:.0f} MB")
    return {"pods": PODS, "bytes": len(body), "ways": ways}


def pod_list(count: int, size: int) -> Json:
    """A PodList of ``count`` pods of about ``size`` bytes each, most of it environment variables."""
    pod: Json = {
        "metadata": {
            "namespace": "default",
            "labels": {"app": "web"},
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "nodeName": "n1",
            "containers": [{"name": "web", "image": "registry.invalid/web:1", "env": []}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }
    variables = pod["spec"]["containers"][0]["env"]
    while len(json.dumps(pod)) < size - 60:
        variables.append({"name": f"VARIABLE_{len(variables)}", "value": "a value of some length"})
    named = [
        {**pod, "metadata": {**pod["metadata"], "name": f"web-{n}", "uid": f"uid-{n}"}} for n in range(count)
    ]
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": named}


def _kubeconfig(server: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "c", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }


def _in_its_own_process(way: str, config: Path) -> Json:
    path = os.pathsep.join(map(str, (ROOT, ROOT / "functions")))
    command = [sys.executable, "-m", "bench.listing", way, str(config)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path})
    cost: Json = json.loads(done.stdout)
    return cost


def _list(way: str, config: str) -> int:
    """List the node's pods in this process; how many there are."""
    from stepdrain.adapters.kube import connect_by_kubeconfig  # noqa: PLC0415 - only the child pays for it

    cluster = connect_by_kubeconfig(config)
    if way == "adapter":
        return len(cluster.pods_on("n1").pods)
    return len(cluster._core.list_pod_for_all_namespaces(field_selector="spec.nodeName=n1").items)


def _child(way: str, config: str) -> None:
    import stepdrain.adapters.kube  # noqa: F401, PLC0415 - imported before the measurement begins

    before = moment(os.getpid())
    listed = _list(way, config)
    after = moment(os.getpid())
    cost = {
        "listed": listed,
        "cpu_s": after.cpu_s - before.cpu_s,
        "memory_bytes": after.peak_bytes - before.peak_bytes,
    }
    json.dump(cost, sys.stdout)


def targets(measured: Json) -> list[Target]:
    """The adapter's CPU and memory as a share of the models'."""
    adapter, models = (measured["ways"][way] for way in WAYS)
    return [
        Target(
            PART,
            f"CPU for {PODS} pods, as a share of the client's models",
            adapter["cpu_s"] / models["cpu_s"],
            SHARE_OF_MODELS,
            "×",
        ),
        Target(
            PART,
            f"memory for {PODS} pods, as a share of the client's models",
            adapter["memory_bytes"] / models["memory_bytes"],
            1,
            "×",
        ),
    ]


if __name__ == "__main__":
    _child(*sys.argv[1:])
