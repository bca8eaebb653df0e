"""Calls AWS: makes the clients, retries where asked, and translates errors into the project's own."""

from __future__ import annotations

import contextlib
import contextvars
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from stepdrain import VERSION, clock
from stepdrain.errors import AwsDenied, AwsRejected, AwsThrottled, AwsUnavailable, DrainError

ONCE: Any = {
    "retries": {"total_max_attempts": 1, "mode": "standard"},
    "user_agent_extra": f"stepdrain/{VERSION}",
}
CONFIG = Config(connect_timeout=3, read_timeout=8, **ONCE)
QUICK = Config(connect_timeout=1, read_timeout=2, **ONCE)
"""For what can be had elsewhere: a function whose VPC has no way there must not wait long."""
MAKING = threading.Lock()
"""A session may make only one client at a time: Lambda has one thread, the embedded world has many.

https://boto3.amazonaws.com/v1/documentation/api/latest/guide/session.html
"""
# The error codes with which AWS services throttle; ResourceContention is Auto Scaling's
# (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html), those that begin with Kms Step
# Functions' (https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html).
THROTTLES = {
    "Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "RequestThrottled",
    "RequestThrottledException", "ProvisionedThroughputExceededException", "TransactionConflictException",
    "TooManyRequestsException", "ResourceContention", "ResourceContentionFault", "KmsThrottlingException",
}  # fmt: skip
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 4.0
_PATIENCE: contextvars.ContextVar[float] = contextvars.ContextVar("patience", default=0.0)
"""Epoch seconds until which calls are retried."""
DENIALS = {
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "ExpiredToken", "ExpiredTokenException",
    "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "KmsAccessDeniedException",
}  # fmt: skip


class Clients:
    """The clients of one session, each made on first use, so that a step pays only for what it uses."""

    def __init__(self, session: boto3.Session) -> None:
        self._session = session
        self._clients: dict[tuple[str, int], Any] = {}

    def _client(self, service: str, config: Config = CONFIG) -> Any:
        make: Any = self._session.client  # boto3's stubs know 400 literal names and no str.
        key = (service, id(config))
        with MAKING:
            if key not in self._clients:
                self._clients[key] = make(service, config=config)
            return self._clients[key]


@contextlib.contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Inside this context, a call that is throttled or not answered is retried for up to ``seconds``.

    For functions that no state machine retries, and for calls that a thousand containers make at once. The
    pauses are random, up to 0.25, 0.5, 1, 2 and then 4 s
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    before = _PATIENCE.set(clock.now() + seconds)
    try:
        yield
    finally:
        _PATIENCE.reset(before)


def call(client: Any, operation: str, **parameters: Any) -> Any:
    """The answer of an operation (``describe_cluster``), with retries inside ``patience``.

    Raises AwsUnavailable if AWS does not answer, else what ``translated`` makes of the error.
    """
    return retried(lambda: _call(client, operation, parameters))


def retried(ask: Callable[[], Any]) -> Any:
    """What ``ask`` returns; inside ``patience`` it is called again if it is throttled or not answered."""
    attempt = 0
    while True:
        try:
            return ask()
        except (AwsThrottled, AwsUnavailable):
            left = _PATIENCE.get() - clock.now()
            if left <= 0:
                raise
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**attempt, left)
        clock.pause(random.random() * longest if longest < left else left)
        attempt += 1


def _call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
    try:
        return getattr(client, operation)(**parameters)
    except ClientError as error:
        raise translated(error) from error
    except BotoCoreError as error:
        raise AwsUnavailable(f"{operation} got no answer: {error}.") from error


def call_unless(client: Any, operation: str, *codes: str, **parameters: Any) -> Any | None:
    """As ``call``; None if AWS rejects it with one of ``codes``, for example because nothing is there."""
    try:
        return call(client, operation, **parameters)
    except AwsRejected as error:
        if not any(code in str(error) for code in codes):
            raise
        return None


def pages(
    client: Any, operation: str, token: str, asked_by: str | None = None, **parameters: Any
) -> Iterator[Any]:
    """The answers of a paged operation. ``token`` names the answer's field, ``asked_by`` the parameter."""
    while True:
        answer = call(client, operation, **parameters)
        yield answer
        if not answer.get(token):
            return
        parameters[asked_by or token] = answer[token]


def translated(error: ClientError) -> DrainError:
    """AwsThrottled, AwsDenied, AwsUnavailable (a 5xx) or AwsRejected, with the operation and the answer."""
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    said = f"{error.operation_name} answered {code}: {message}"
    if code in THROTTLES:
        return AwsThrottled(said)
    if code in DENIALS:
        return AwsDenied(f"{said}. Check the function's role in template.yaml.")
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= 500:
        return AwsUnavailable(said)
    return AwsRejected(said)
