"""A Kubernetes API that knows one node and remembers who asked; a proxy, too, if asked as one."""

import base64
import contextlib
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

SHOWN = ("Authorization", "Impersonate-User", "Impersonate-Group", "Impersonate-Uid")
NODE = {
    "kind": "Node",
    "apiVersion": "v1",
    "metadata": {"name": "n1", "uid": "u", "resourceVersion": "1"},
    "spec": {},
    # For whoever lists something.
    "items": [],
}


class Api(ThreadingHTTPServer):
    """``requests`` has the path and the telling headers of each request."""

    def __init__(self, *, tls):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests, self.ca = [], ""
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}"
        if tls:
            authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("127.0.0.1").configure_cert(context)
            self.ca = base64.b64encode(authority.cert_pem.bytes()).decode()
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_):
        """A client that does not trust it, or goes away, is no failure."""


class Handler(BaseHTTPRequestHandler):
    """Answers each GET with the node."""

    server: Api

    def do_GET(self):
        """Remember and answer."""
        headers = {name: self.headers.get_all(name) for name in SHOWN if name in self.headers}
        self.server.requests.append((self.path, headers))
        body = json.dumps(NODE).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def serving(*, tls):
    """An Api that listens while this lasts."""
    with Api(tls=tls) as api:
        thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield api
        api.shutdown()
        thread.join()
