"""AWS for other processes: an HTTP endpoint that hands each request to the account embedded in this one.

Why not moto's own server: it needs flask, and would serve beside the account what is a few lines
through it. A request is sent on to the host it was meant for, by ``requests``, which moto answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler

import boto3
import requests

from stepdrain_sandbox.built.runtime_api import serving as serving_http

# <key>/<day>/<region>/<service>/aws4_request:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
SCOPE = re.compile(r"Credential=[^/]+/\d+/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")
OF_THE_CONNECTION = {"host", "connection", "content-length", "accept-encoding", "transfer-encoding"}
REGIONS = frozenset(boto3.Session().get_available_regions("ec2"))
TIMEOUT_S = 10
Answer = tuple[int, Mapping[str, str], bytes]
"""Status, headers and content."""


class Forwarding(BaseHTTPRequestHandler):
    """Hands each request on to the embedded account."""

    def forward(self) -> None:
        """Send the request to where its signature says it was meant for, and the answer back."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        scope = SCOPE.search(self.headers.get("Authorization", ""))
        if scope is None:
            self.send_error(403, "The request is not signed.")
            return
        region, service = scope.groups()
        if region not in REGIONS:
            # moto fails for it with a KeyError.
            self.send_error(400, f"There is no region {region}.")
            return
        if (own := self.own(service, body)) is not None:
            self.answer(*own)
            return
        try:
            answer = requests.request(
                self.command,
                f"https://{service}.{region}.amazonaws.com{self.path}",
                headers={k: v for k, v in self.headers.items() if k.lower() not in OF_THE_CONNECTION},
                data=body,
                timeout=TIMEOUT_S,
            )
        except ModuleNotFoundError as error:
            # moto loads a service when it is first asked, and some need packages that nobody else does.
            self.send_error(501, f"The embedded account has no {service} ({error.name} is not installed).")
            return
        self.answer(answer.status_code, answer.headers, answer.content)

    def own(self, _service: str, _body: bytes) -> Answer | None:
        """The answer of the account itself, None where the request is moto's."""
        return None

    def answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in OF_THE_CONNECTION | {"content-encoding"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = forward

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def serving() -> AbstractContextManager[str]:
    """``host:port`` of the endpoint, as long as the block; moto's mock must be on."""
    return serving_http(Forwarding)
