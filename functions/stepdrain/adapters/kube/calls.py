"""One request and its answer: timeouts, tokens, and the errors of ours that answers become.

How long an answer may take is the server's to say. A webhook has 10 s by default and 30 at most
(https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#timeouts),
so whatever passes admission is awaited longer than that: a server gives a request up when its client does,
and under failurePolicy Ignore the answer would have been yes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import urllib3
from kubernetes.client.exceptions import ApiException

from kubernetes import client
from stepdrain import VERSION, errors
from stepdrain.reporting import links, logs
from stepdrain.rules.eviction_answers import UNREACHED, Answer

LOG = logs.logger()
TIMEOUT_S = (3, 8)
"""Seconds to connect and to wait for an answer; the second is also the longest pause within one."""
WRITE_TIMEOUT_S = (3, 33)
"""The same for what passes admission: evictions, patches, deletions and Events."""
WORKERS = 16
"""Requests in flight at once, over one connection pool."""
PAGE = 500
SHORTEST_S = 1
"""The least that an answer is awaited where the attempt has no time left."""

Json = dict[str, Any]
T = TypeVar("T")


def no_end() -> float:
    """Seconds left of an attempt that nobody cuts off."""
    return float("inf")


class Calls:
    """What all requests of stepdrain.adapters.kube.Kube have in common."""

    def __init__(
        self,
        configuration: client.Configuration,
        renew_token: Callable[[], None] | None,
        time_left: Callable[[], float] = no_end,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """``headers`` go with each request."""
        api = client.ApiClient(configuration)
        for name, value in (headers or {}).items():
            api.set_default_header(name, value)
        api.user_agent = f"stepdrain/{VERSION}"
        self._core = client.CoreV1Api(api)
        self._policy = client.PolicyV1Api(api)
        self._apps = client.AppsV1Api(api)
        self._storage = client.StorageV1Api(api)
        self._custom = client.CustomObjectsApi(api)
        self._renew_token = renew_token
        self._time_left = time_left
        self._write_needs_s = min(float(sum(WRITE_TIMEOUT_S)), time_left() * 0.6)

    def _paged(self, method: Callable[..., Any], size: int | None = None) -> Iterator[Json]:
        following = None
        while True:
            page = self._json(method, limit=size or PAGE, _continue=following)
            yield from page["items"]
            following = page["metadata"].get("continue")
            if not following:
                return

    def _get_or_none(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Json | None:
        response = self._answered_or_none(method, *arguments, **options)
        return None if response is None else read(response)

    def _answered_or_none(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any | None:
        try:
            return self._answered(method, *arguments, **options)
        except errors.KubeRejected as error:
            if not missing(error):
                raise
            return None

    def _json(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Json:
        return read(self._answered(method, *arguments, **options))

    def _answered(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return self._send(method, *arguments, **options)
        except ApiException as error:
            raise translated(error) from error
        except urllib3.exceptions.HTTPError as error:
            raise _unusable(error) from error

    def _send(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        options = {"_request_timeout": TIMEOUT_S, "_preload_content": False, **options}
        try:
            return method(*arguments, **options)
        except ApiException as error:
            if error.status != 401 or self._renew_token is None:
                raise
            # A cached token may have run out just now; a second refusal is final for this attempt.
            self._renew_token()
            return method(*arguments, **options)

    def _write_timeout(self) -> tuple[float, float]:
        """The timeouts of a request that passes admission, within what is left of the attempt."""
        connect_s, read_s = WRITE_TIMEOUT_S
        return connect_s, max(SHORTEST_S, min(read_s, self._time_left() - SHORTEST_S))

    def _time_for_a_write(self) -> bool:
        """Whether the attempt can still await the longest answer to a request that is begun now.

        Where the whole attempt is hardly longer than that, most of it has to be left.
        """
        return self._time_left() >= self._write_needs_s


def understood(raws: Iterable[Mapping[str, Any]], parse: Callable[[Mapping[str, Any]], T]) -> Iterator[T]:
    """Each object as ``parse`` reads it; one that lacks what it needs is skipped, with a warning.

    For what others write: objects of a foreign kind, of a later version, or half made. It must never crash a
    drain.
    """
    for raw in raws:
        try:
            yield parse(raw)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            LOG.warning(f"{_named(raw)} is skipped: it cannot be read ({type(error).__name__}: {error}).")


def _named(raw: Any) -> str:
    metadata = raw.get("metadata") if isinstance(raw, Mapping) else None
    known = metadata if isinstance(metadata, Mapping) else {}
    name = "/".join(str(known[key]) for key in ("namespace", "name") if known.get(key))
    # The items of a list carry no kind.
    return f"{raw.get('kind') or 'An object'} {name or 'without a name'}" if metadata else "An object"


def optional(read: Callable[[], T], otherwise: T, what: str) -> T:
    """What ``read`` gives; ``otherwise``, with a warning, if the API or the right to it is missing.

    Only for what a drain keeps every guarantee without.
    """
    try:
        return read()
    except errors.KubeForbidden as error:
        LOG.warning(f"{what} cannot be read, and the drain goes on without: {error}")
        return otherwise
    except errors.KubeRejected as error:
        if not missing(error):
            raise
        return otherwise


def missing(error: errors.DrainError) -> bool:
    """Whether the API server answered that there is no such object, or no such API (404)."""
    return isinstance(error.__cause__, ApiException) and error.__cause__.status == 404


def read(response: Any) -> Json:
    """The answer's body, all of it: only then can its connection be used again. Raises KubeUnavailable."""
    try:
        parsed: Json = json.loads(response.data)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise _unusable(error) from error
    return parsed


def sent_at(response: Any) -> float | None:
    """When the server sent its answer, by its own clock, in epoch seconds; None if it does not say.

    Go's server, which the API server is, dates each answer (net/http, Header "Date"); whole seconds, by
    https://www.rfc-editor.org/rfc/rfc9110#field.date. A proxy passes that on.
    """
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return None


def answer_of(error: ApiException) -> Answer:
    """The answer in an exception of the client; its body may be text, bytes or JSON."""
    text = (
        error.body.decode("utf-8", "replace")
        if isinstance(error.body, bytes)
        else str(error.body or error.reason)
    )
    try:
        parsed = json.loads(text)
    except ValueError:
        return Answer(error.status or 0, text.strip())
    return Answer(error.status or 0, parsed if isinstance(parsed, dict) else text)


def translated(error: ApiException) -> Exception:
    """The error of ours for an answer that is none of a drain's ordinary outcomes.

    a webhook's or policy's refusal, any status   AdmissionDenied
    a webhook that did not answer                 KubeUnavailable
    401 KubeUnauthorized · 403 KubeForbidden · 409 KubeConflict · 429 KubeThrottled
    0 (TLS) and 5xx KubeUnavailable · otherwise KubeRejected
    """
    answer = answer_of(error)
    message = answer.message
    if answer.admission_denied:
        return errors.AdmissionDenied(f"The cluster's own rules refuse the request: {message}")
    match error.status:
        case 401:
            return errors.KubeUnauthorized(
                "The cluster does not know the caller (401). A function's role needs an access entry "
                f"({links.runbook('KubeUnauthorized')}); a kubeconfig, credentials that are still valid."
            )
        case 403 if not UNREACHED.search(message):
            return errors.KubeForbidden(
                f"{message}. Apply kubernetes/rbac.yaml and check the access entry's group."
            )
        case 409:
            return errors.KubeConflict(message)
        case 429:
            return errors.KubeThrottled(f"The Kubernetes API asks for fewer requests: {message}")
        case status if not status or status >= 500 or UNREACHED.search(message):
            return errors.KubeUnavailable(
                f"The Kubernetes API answered {status or 'with a TLS failure'}: {message}"
            )
        case status:
            return errors.KubeRejected(f"The Kubernetes API refused the request ({status}): {message}")


def _unusable(error: Exception) -> errors.KubeUnavailable:
    return errors.KubeUnavailable(
        f"The Kubernetes API gave no usable answer: {why(error).rstrip('.')}. "
        "Check that the cluster is up and can be reached from here."
    )


def why(error: Exception) -> str:
    """What happened to a request that got no answer."""
    reason = getattr(error, "reason", None) or error
    return f"{type(reason).__name__}: {str(reason)[:200]}"
