"""A cluster with one node and one pod on it, as far as a handler asks: canned answers, no state.

Why not the sandbox's emulator: what is proven here is that the built client sends requests
and understands answers, so the less that is installed beside it the better.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any

NODE: dict[str, Any] = {
    "kind": "Node",
    "apiVersion": "v1",
    "metadata": {"name": "n1", "uid": "u1", "resourceVersion": "1", "labels": {}},
    "spec": {"providerID": "aws:///eu-west-1a/i-0123456789abcdef0"},
}
POD: dict[str, Any] = {
    "metadata": {"name": "web-1", "namespace": "default", "uid": "p1", "labels": {}},
    "spec": {"nodeName": "n1", "containers": [], "terminationGracePeriodSeconds": 30},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}
EMPTY = {"metadata": {"resourceVersion": "1"}, "items": []}
LISTS = {"/api/v1/pods": {**EMPTY, "items": [POD]}, "/api/v1/nodes": {**EMPTY, "items": [NODE]}}


class Cluster(BaseHTTPRequestHandler):
    """GET and PATCH of the node, lists, and an eviction that is always granted."""

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.startswith("/api/v1/nodes/") and path != "/api/v1/nodes/n1":
            self._answer(404, {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404})
            return
        self._answer(200, NODE if path == "/api/v1/nodes/n1" else LISTS.get(path, EMPTY))

    def do_PATCH(self) -> None:
        self._answer(200, NODE)

    def do_POST(self) -> None:
        self._answer(201, {"kind": "Status", "apiVersion": "v1", "status": "Success", "code": 201})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
