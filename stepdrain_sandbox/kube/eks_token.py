"""Checks EKS tokens as the cluster does, except for the signature, which needs AWS.

kubernetes-sigs/aws-iam-authenticator, pkg/token/token.go (Verify).
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from stepdrain.adapters.aws.partitions import dns_suffix
from stepdrain.errors import AwsRejected

from stepdrain_sandbox.kube.rbac import User

PREFIX = "k8s-aws-v1."
LONGEST = 4096
VALID_S = 900
PARAMETERS = {
    "action", "version", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires",
    "x-amz-security-token", "x-amz-signature", "x-amz-signedheaders",
}  # fmt: skip


@dataclass(frozen=True)
class EksTokens:
    """Whom a token stands for: ``access_entries`` maps access keys to users. ``now`` in epoch seconds."""

    cluster: str
    access_entries: Mapping[str, User]
    now: Callable[[], float] = time.time

    def __call__(self, token: str) -> User | None:
        """The user; None for a token that the cluster refuses."""
        query = self._query(token)
        if query is None or not self._valid(query):
            return None
        return self.access_entries.get(query["x-amz-credential"].split("/")[0])

    def _query(self, token: str) -> dict[str, str] | None:
        if len(token) > LONGEST or not token.startswith(PREFIX):
            return None
        text = token.removeprefix(PREFIX)
        try:
            url = urlsplit(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
        except (binascii.Error, UnicodeDecodeError):
            return None
        pairs = [(key.lower(), value) for key, value in parse_qsl(url.query, keep_blank_values=True)]
        host = url.hostname or ""
        at_sts = _is_sts(host)
        if url.scheme != "https" or not at_sts or url.path != "/" or len(pairs) != len(dict(pairs)):
            return None
        return dict(pairs)

    def _valid(self, query: dict[str, str]) -> bool:
        if not set(query) <= PARAMETERS or query.get("action") != "GetCallerIdentity":
            return False
        signed = query.get("x-amz-signedheaders", "").split(";")
        expires = int(query.get("x-amz-expires", "-1"))
        made_at = datetime.strptime(query["x-amz-date"] + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
        young = -60 <= self.now() - made_at < VALID_S
        return "x-k8s-aws-id" in signed and 0 <= expires <= VALID_S and young


def _is_sts(host: str) -> bool:
    """Whether this is the name of a region's STS, in any partition that botocore lists."""
    service, _, rest = host.partition(".")
    region, _, suffix = rest.partition(".")
    try:
        return service == "sts" and suffix == dns_suffix(region)
    except AwsRejected:
        return False
