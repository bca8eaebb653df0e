"""Serves an embedded world to other processes, as their own account and cluster.

They need only environment variables: the endpoint and keys for AWS, a kubeconfig for the cluster.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stepdrain_sandbox.aws import own_api
from stepdrain_sandbox.aws.account import REGION
from stepdrain_sandbox.built.aws_endpoint import Answer, Forwarding
from stepdrain_sandbox.built.runtime_api import serving as serving_http
from stepdrain_sandbox.world import OPERATOR_KEY, World


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
        """Answers itself what the account answers before moto, as in this process."""

        def own(self, service: str, body: bytes) -> Answer | None:
            request = own_api.Request(service, self.command, self.path, dict(self.headers.items()), body)
            return own_api.answer(world.aws.own_answers, request)

    return Handler
