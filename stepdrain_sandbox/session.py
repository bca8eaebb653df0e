"""Serves an embedded world to other processes, as their own account and cluster.

They need only environment variables: the endpoint and keys for AWS, a kubeconfig for the cluster.
"""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from stepdrain_sandbox.aws import stack_api
from stepdrain_sandbox.aws.account import REGION
from stepdrain_sandbox.built.aws_endpoint import Answer, Forwarding
from stepdrain_sandbox.built.runtime_api import serving as serving_http
from stepdrain_sandbox.world import OPERATOR_KEY, World

CONFIGURATION = re.compile(r"^/2015-03-31/functions/([^/?]+)/configuration")
"""https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html"""


@contextlib.contextmanager
def serving(world: World) -> Iterator[dict[str, str]]:
    """Environment variables with which AWS and Kubernetes clients reach ``world``, inside this context."""
    with serving_http(_handler(world)) as address, tempfile.TemporaryDirectory(prefix="stepdrain-") as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        kubeconfig.write_text(world.kube.kubeconfig())
        yield {
            "AWS_ENDPOINT_URL": f"http://{address}",
            "AWS_ACCESS_KEY_ID": OPERATOR_KEY,
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            # The user's own profiles and files are not for this account.
            "AWS_CONFIG_FILE": str(Path(folder) / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(Path(folder) / "none"),
            "KUBECONFIG": str(kubeconfig),
            "STEPDRAIN_STATE_MACHINE": world.machine,
        }


def _handler(world: World) -> type[Forwarding]:
    class Handler(Forwarding):
        """Answers for CloudFormation, and GetFunctionConfiguration: the account runs functions without
        Lambda's API."""

        def forward(self) -> None:
            found = CONFIGURATION.match(self.path)
            if found is None:
                super().forward()
                return
            name = unquote(found[1]).rsplit(":", 1)[-1]
            functions = world.aws.deployment.functions.values()
            function = next((function for function in functions if function.name == name), None)
            if function is None:
                self.send_error(404, f"There is no function {name}.")
                return
            variables = {"Variables": function.environment}
            self.answer(200, {}, json.dumps({"FunctionName": name, "Environment": variables}).encode())

        def own(self, service: str, body: bytes) -> Answer | None:
            if service != stack_api.SERVICE:
                return None
            return stack_api.answer(world.aws.described.answers(), body)

        do_GET = do_POST = do_PUT = do_DELETE = forward

    return Handler
