"""As much of AWS as a function's first invocation asks: every service gives a short answer."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

RESULTS = {
    "DescribeInstances": "<reservationSet/>",
    "DescribeLifecycleHooks": "<LifecycleHooks><member><HeartbeatTimeout>1800</HeartbeatTimeout>"
    "<GlobalTimeout>172800</GlobalTimeout></member></LifecycleHooks>",
    "DescribeAutoScalingGroups": "<AutoScalingGroups><member>"
    "<AutoScalingGroupName>workers</AutoScalingGroupName><Instances/><Tags/></member></AutoScalingGroups>",
}
"""What an action's answer must hold for the function to go on."""
JSON_ANSWER = {
    "events": [], "executions": [], "executionArn": "", "startDate": 0, "ResourceTagMappingList": [],
    "name": "x", "status": "SUCCEEDED", "input": "{}",
}  # fmt: skip
"""The same for Step Functions and Resource Groups Tagging, whose clients skip what they do not know."""


@dataclass(frozen=True)
class AwsStub:
    """What eks:DescribeCluster says: URL and CA certificate (PEM) of the cluster."""

    url: str
    ca_pem: str

    def answer(self, path: str, body: bytes) -> tuple[str, str]:
        """Content type and text; services that speak XML get an empty result of the action they name."""
        if path.startswith("/clusters/"):
            authority = {"data": base64.b64encode(self.ca_pem.encode()).decode()}
            cluster = {"endpoint": self.url, "certificateAuthority": authority, "status": "ACTIVE"}
            return "application/json", json.dumps({"cluster": cluster})
        action = parse_qs(body.decode()).get("Action", [""])[0]
        if not action:
            return "application/x-amz-json-1.0", json.dumps(JSON_ANSWER)
        result = RESULTS.get(action, "")
        # EC2's protocol has no element around the result, that of the others has one.
        wrapped = result if action == "DescribeInstances" else f"<{action}Result>{result}</{action}Result>"
        metadata = "<ResponseMetadata><RequestId>x</RequestId></ResponseMetadata>"
        return "text/xml", f"<{action}Response>{wrapped}{metadata}</{action}Response>"


def answering(stub: AwsStub) -> type[BaseHTTPRequestHandler]:
    """A request handler for http.server that answers as ``stub``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kind, text = stub.answer(self.path, body)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
