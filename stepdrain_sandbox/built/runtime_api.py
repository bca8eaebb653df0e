"""A small Lambda Runtime API: a function's process gets its event from it and posts its result.

Why: with it, ``awslambdaric``, which is the client that Lambda itself runs Python functions
with, runs what was built, in a process of its own and without a container
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any

# Without a content type the client's compiled part crashes (awslambdaric 4.2.2).
HEADERS = {
    "Content-Type": "application/json",
    "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
    "Lambda-Runtime-Deadline-Ms": "4102444800000",
    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:123456789012:function:f",
    "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
}


@dataclass(frozen=True)
class Result:
    """``kind``: response, error (the handler raised), init (no such handler), exit (the process ended)."""

    kind: str
    body: Any


class _Handler(BaseHTTPRequestHandler):
    events: queue.Queue[bytes]
    results: queue.Queue[Result]
    ready: Callable[[], None]

    def do_GET(self) -> None:
        # The first question: the handler's module is imported.
        type(self).ready()
        # A second question waits for ever, as on Lambda: the process is frozen, here it is ended.
        body = self.events.get()
        self.send_response(200)
        for name, value in {**HEADERS, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        last = self.path.rsplit("/", 1)[1]
        self.results.put(Result("init" if "/init/" in self.path else last, body))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: stderr belongs to the function."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """``host:port`` of a server for ``handler`` that lasts as long as the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def invoke(
    command: Sequence[str],
    environment: Mapping[str, str],
    event: Any,
    within_s: float = 30,
    log: IO[str] | None = None,
    observe: Callable[[str, int], None] = lambda _moment, _pid: None,
) -> Result:
    """Run ``command`` (awslambdaric with a handler) in a new process for one event.

    What the function prints goes to ``log``, else to this process's own stdout and stderr.
    ``observe`` is called with "init" when the process has imported its handler and asks for work,
    with "invoked" when it has answered, and with its process id; it stands still meanwhile.
    Raises queue.Empty if there is no result after ``within_s`` seconds.
    """
    started: queue.Queue[int] = queue.Queue()
    handler = type("Handler", (_Handler,), {"events": queue.Queue(), "results": queue.Queue()})
    handler.ready = staticmethod(_once(lambda: observe("init", started.get())))
    handler.events.put(json.dumps(event).encode())
    with serving(handler) as address:
        surroundings = {**environment, "AWS_LAMBDA_RUNTIME_API": address}
        process = subprocess.Popen(command, env=surroundings, stdout=log, stderr=log)
        started.put(process.pid)
        threading.Thread(target=_tell_exit, args=(process, handler.results), daemon=True).start()
        try:
            result: Result = handler.results.get(timeout=within_s)
            observe("invoked", process.pid)
            return result
        finally:
            process.kill()
            process.wait()


def _once(action: Callable[[], None]) -> Callable[[], None]:
    """``action`` at the first call, nothing at later ones: the second question is the process's last."""
    todo = [action]
    return lambda: todo.pop()() if todo else None


def _tell_exit(process: subprocess.Popen[bytes], results: queue.Queue[Result]) -> None:
    results.put(Result("exit", {"errorMessage": f"the process ended with {process.wait()}"}))
