"""Connections of one Lambda container: made when first needed, kept between invocations.

A cluster's endpoint and CA are kept for an hour (they change when a cluster is made anew)
and shared with new containers (``shared``), its token for 13 of the 15 minutes it is valid.
The client itself is made for each invocation: a frozen container loses its idle sockets, and
urllib3 does not repeat a POST on a dead one. The session of boto3 is kept as long as the
container: it holds the models of the services, which cost 50 ms of CPU to read, and no socket.

STEPDRAIN_KUBECONFIG, where set, names a kubeconfig file to use instead of EKS, and
STEPDRAIN_KUBE_CONTEXT a context in it: the same handlers then serve any cluster. ``local`` does the
same for handlers that run in the command line's own process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

from stepdrain import clock
from stepdrain.adapters import invocation
from stepdrain.adapters.aws import Aws, calls, new_session
from stepdrain.adapters.aws.cache import Cache
from stepdrain.adapters.aws.eks import Endpoint
from stepdrain.errors import DrainError
from stepdrain.reporting import logs

LOG = logs.logger()
ENDPOINT_KEPT_S = 3600
ENDPOINT_LOOKED_FOR_S = 60
"""So long a container takes it that the endpoint it has shared is in the cache still."""
ENDPOINT_PATIENCE_S = 5
CACHE_TABLE = "STEPDRAIN_CACHE_TABLE"
"""The environment variable with the name of the stack's cache."""
# The API server takes a token for 15 minutes from its X-Amz-Date; one minute for clock skew,
# one for the invocation itself (kubernetes-sigs/aws-iam-authenticator, pkg/token/token.go).
TOKEN_KEPT_S = 780
# A changed list of groups is known this much later at most.
PARAMETER_KEPT_S = 300
FOR_EVER_S = 10**9


class Kept:
    """Values by key, each for a while."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, ...], tuple[float, Any]] = {}

    def get(self, key: tuple[str, ...], seconds: int, make: Callable[[], Any], fresh: bool = False) -> Any:
        """The value under ``key``, made anew if it is older than ``seconds`` or ``fresh`` is asked for."""
        made_at, value = self._values.get(key, (float("-inf"), None))
        if fresh or clock.now() - made_at >= seconds:
            value = make()
            self._values[key] = (clock.now(), value)
        return value

    def forget(self) -> None:
        """Drop everything, as a new container would begin."""
        self._values.clear()


KEPT = Kept()


@dataclass(frozen=True)
class Local:
    """Connections of a drain that runs on somebody's own machine (``stepdrain run``)."""

    kube: Callable[[], Any]
    """Makes the client for one invocation."""
    session: Any
    """What stands for boto3's session."""


local: Local | None = None
"""None on Lambda."""


def kube(cluster: str) -> Any:
    """A client (adapters.kube.Kube) for the EKS cluster of that name, or for the configured kubeconfig.

    Raises ClusterNotFound, InvalidSettings or an Aws… error; the cluster itself is not asked yet.
    """
    if local is not None:
        return local.kube()
    # Imported here: a step that talks to AWS alone must not pay for the Kubernetes client.
    from stepdrain.adapters.kube import Access, connect, connect_by_kubeconfig  # noqa: PLC0415

    if path := os.environ.get("STEPDRAIN_KUBECONFIG"):
        return connect_by_kubeconfig(
            path, os.environ.get("STEPDRAIN_KUBE_CONTEXT") or None, invocation.time_left
        )
    account = aws()

    def access(fresh: bool) -> Access:
        endpoint: Endpoint = KEPT.get(
            ("endpoint", cluster), ENDPOINT_KEPT_S, lambda: _patient_endpoint(account, cluster)
        )
        token = KEPT.get(("token", cluster), TOKEN_KEPT_S, lambda: account.kube_token(cluster), fresh)
        return Access(endpoint.url, endpoint.ca_pem, token)

    return connect(access, invocation.time_left)


def _endpoint(account: Aws, cluster: str, put: bool = False) -> Endpoint:
    found = shared(
        f"cluster/{cluster}", ENDPOINT_KEPT_S, lambda: asdict(account.cluster_endpoint(cluster)), put
    )
    return Endpoint(**found)


def _patient_endpoint(account: Aws, cluster: str) -> Endpoint:
    with calls.patience(ENDPOINT_PATIENCE_S):
        return _endpoint(account, cluster)


def share_endpoint(cluster: str) -> None:
    """Put the cluster's endpoint into the stack's cache, where it is not; without a cache nothing is done.

    New containers look for it first, a thousand at once in a storm, and EKS throttles from about 150
    (awslabs/amazon-eks-ami #218). It is asked once and not waited for.

    Raises ClusterNotFound or an Aws… error.
    """
    if os.environ.get(CACHE_TABLE):
        with calls.patience(0):
            KEPT.get(("shared", cluster), ENDPOINT_LOOKED_FOR_S, lambda: _endpoint(aws(), cluster, put=True))


def shared(key: str, seconds: int, ask: Callable[[], Any], put: bool = False) -> Any:
    """The value under ``key`` in the stack's cache, or else what ``ask`` returns, which JSON must hold.

    ``put``: keep what was asked for in the cache for so many ``seconds``, unless it is None; only a role that
    may write there can. Where ``ask`` is throttled, the cache is looked at before it is called again: of a
    hundred that ask at once, one has been answered by then. A cache that does not answer is as an empty one.
    """

    def look_or_ask() -> Any:
        # Whoever is throttled here comes again by way of the cache, not by asking AWS alone.
        with calls.patience(0):
            value = cached(key)
            if value is None:
                value = ask()
                if put and value is not None:
                    keep(key, value, seconds)
        return value

    return calls.retried(look_or_ask) if os.environ.get(CACHE_TABLE) else ask()


def cached(key: str) -> Any | None:
    """The value under ``key`` in the stack's cache; None if there is none, or no cache that answers."""
    return _cache(lambda cache: cache.get(key, clock.now()))


def keep(key: str, value: Any, seconds: int) -> None:
    """Put a value that JSON can hold into the stack's cache, if that answers."""
    _cache(lambda cache: cache.put(key, value, clock.now() + seconds))


def claim(key: str, owner: str, seconds: float) -> str:
    """Who has ``key``: ``owner``, for so many seconds from now on, or another who has claimed it before.

    The owner may ask again. Without a cache that answers it is the owner. A throttled or unanswered call
    is not repeated.
    """
    with calls.patience(0):
        holder = _cache(lambda cache: cache.claim(key, owner, clock.now(), clock.now() + seconds))
    return str(holder or owner)


def _cache(use: Callable[[Cache], Any]) -> Any | None:
    table = os.environ.get(CACHE_TABLE)
    if not table:
        return None
    try:
        return use(aws().cache(table))
    except DrainError as error:
        LOG.warning(f"The cache cannot be used, and the function goes on without it: {error}")
        return None


def patient(seconds: float) -> AbstractContextManager[None]:
    """While this lasts, calls of AWS are made again for so long if they are throttled or not answered."""
    return calls.patience(seconds)


def aws() -> Aws:
    """The account and region the function runs in."""
    if local is not None:
        return Aws(local.session)
    return Aws(KEPT.get(("session",), FOR_EVER_S, new_session))


def parameter(name: str) -> str:
    """The value of a parameter of Systems Manager, kept for some minutes; raises an Aws… error."""
    return str(KEPT.get(("parameter", name), PARAMETER_KEPT_S, lambda: aws().parameter(name)))
