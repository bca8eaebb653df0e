"""Leaves out what botocore works out for each request and nobody reads here: signature and user agent.

moto takes the caller's access key, the region and the service from the Authorization header and checks no
signature. Together that is a sixth of a request's CPU time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from unittest import mock

from botocore.auth import AUTH_TYPE_MAPS, SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import get_current_datetime
from botocore.exceptions import NoCredentialsError
from botocore.useragent import UserAgentComponent


class Unsigned(SigV4Auth):
    """As SigV4Auth, with a signature that is none.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
    """

    def add_auth(self, request: AWSRequest) -> None:
        """Add the header Authorization; raises NoCredentialsError without credentials, as botocore does."""
        if self.credentials is None:
            raise NoCredentialsError
        request.context["timestamp"] = get_current_datetime().strftime(SIGV4_TIMESTAMP)
        self._modify_request_before_signing(request)
        credential = f"AWS4-HMAC-SHA256 Credential={self.scope(request)}"
        request.headers["Authorization"] = f"{credential}, SignedHeaders=host, Signature={'0' * 64}"


@contextlib.contextmanager
def shortened() -> Iterator[None]:
    """Inside this context requests are not signed, and each part of a user agent is put together once.

    What is presigned, such as a cluster's token, is signed as always.
    """
    text = cache(UserAgentComponent.to_string)
    with (
        mock.patch.dict(AUTH_TYPE_MAPS, {"v4": Unsigned}),
        mock.patch.object(UserAgentComponent, "to_string", text),
    ):
        yield
