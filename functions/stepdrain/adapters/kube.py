"""The Kubernetes adapter: every request a drain sends to a cluster, and nothing else.

Each request is sent once, with timeouts, and never sleeps inside the client: repeating
is the state machine's business. (The client's default would sleep through Retry-After
on GET and DELETE, up to three times, and has no timeout at all.) Lists come as raw JSON:
parsing 1,000 pods into the client's models costs 6 s of CPU, as JSON a third of one.

No exception of the client or of urllib3 leaves this module: all become stepdrain.errors.
"""

from __future__ import annotations

import atexit
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import urllib3
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException, load_kube_config

from kubernetes import client
from stepdrain import VERSION
from stepdrain.errors import (
    InvalidSettings,
    KubeConflict,
    KubeForbidden,
    KubeRejected,
    KubeThrottled,
    KubeUnauthorized,
    KubeUnavailable,
)
from stepdrain.rules import budgets, pods
from stepdrain.rules.budgets import Budget
from stepdrain.rules.eviction_answers import Answer
from stepdrain.rules.pods import Pod
from stepdrain.states import wait_for_volumes
from stepdrain.states.wait_for_volumes import Attachment

TIMEOUT_S = (3, 8)
"""Seconds to connect and to wait for an answer; the second is also the longest pause within one."""
WORKERS = 16
"""Requests in flight at once, over one connection pool."""
PAGE = 500


@dataclass(frozen=True)
class Access:
    """How to reach a cluster: https URL, CA certificates as PEM text, bearer token. Never logged."""

    server: str
    ca_pem: str
    token: str

    def __repr__(self) -> str:
        return f"Access({self.server})"


@dataclass(frozen=True)
class Listing:
    """The pods of a node, and the resourceVersion from which a watch goes on."""

    pods: list[Pod]
    resource_version: str


def _configuration() -> client.Configuration:
    configuration = client.Configuration()
    configuration.retries = urllib3.Retry(
        total=1, connect=1, read=0, status=0, redirect=0, other=0, respect_retry_after_header=False
    )
    configuration.connection_pool_maxsize = WORKERS
    return configuration


def connect(access: Callable[[bool], Access]) -> Kube:
    """A client for the cluster that ``access(fresh)`` describes.

    It is called with True when the cluster refuses the token (401): the next one must be new.
    """
    first = access(False)
    configuration = _configuration()
    configuration.host = first.server
    configuration.ssl_ca_cert = _ca_file(first.ca_pem)
    _use_token(configuration, first.token)
    return Kube(configuration, lambda: _use_token(configuration, access(True).token))


@cache
def _ca_file(pem: str) -> str:
    # The client takes CA certificates only as a file; one for each cluster and container.
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as ca_file:
        ca_file.write(pem)
    atexit.register(Path(ca_file.name).unlink, missing_ok=True)
    return ca_file.name


def _use_token(configuration: client.Configuration, token: str) -> None:
    configuration.api_key = {"authorization": f"Bearer {token}"}


def connect_by_kubeconfig(path: str, context: str | None = None) -> Kube:
    """A client for a kubeconfig's context; raises InvalidSettings if the file cannot be used."""
    configuration = _configuration()
    try:
        load_kube_config(config_file=path, context=context, client_configuration=configuration)
    except (ConfigException, OSError, ValueError, TypeError, AttributeError) as error:
        raise InvalidSettings(f"The kubeconfig {path} cannot be used: {str(error).rstrip('.')}.") from error
    except Exception as error:
        # The YAML parser's errors are not the kubernetes package's, and yaml is no dependency of ours.
        if not type(error).__module__.startswith("yaml"):
            raise
        raise InvalidSettings(f"The kubeconfig {path} is not YAML: {str(error).splitlines()[0]}.") from error
    return Kube(configuration, None)


class Kube:
    """One cluster. All methods raise Kube… errors of stepdrain.errors, and nothing else."""

    def __init__(self, configuration: client.Configuration, renew_token: Callable[[], None] | None) -> None:
        api = client.ApiClient(configuration)
        api.user_agent = f"stepdrain/{VERSION}"
        self._core = client.CoreV1Api(api)
        self._policy = client.PolicyV1Api(api)
        self._apps = client.AppsV1Api(api)
        self._storage = client.StorageV1Api(api)
        self._custom = client.CustomObjectsApi(api)
        self._renew_token = renew_token

    def node(self, name: str) -> dict[str, Any] | None:
        """The Node called ``name``, None if there is none."""
        return self._get_or_none(self._core.read_node, name)

    def nodes(self) -> Iterator[dict[str, Any]]:
        """All Nodes, in pages of 500."""
        return self._paged(self._core.list_node)

    def attachments(self) -> list[Attachment]:
        """All attachments of persistent volumes to nodes, in pages of 500; the API cannot select a node's."""
        parsed = map(wait_for_volumes.parse, self._paged(self._storage.list_volume_attachment))
        return [one for one in parsed if one is not None]

    def volume_of(self, namespace: str, claim: str) -> str | None:
        """The PersistentVolume that a claim is bound to; None if it is not, or does not exist."""
        found = self._get_or_none(self._core.read_namespaced_persistent_volume_claim, claim, namespace)
        bound: str | None = (found or {}).get("spec", {}).get("volumeName")
        return bound

    def target_group_arns(self) -> list[str]:
        """ARNs of the target groups that hold instances of this cluster, by its TargetGroupBindings.

        Empty if the AWS Load Balancer Controller is not installed. Groups of IP addresses are left out.
        """
        try:
            listed = self._json(
                self._custom.list_cluster_custom_object, "elbv2.k8s.aws", "v1beta1", "targetgroupbindings"
            )
        except KubeRejected as error:
            if isinstance(error.__cause__, ApiException) and error.__cause__.status == 404:
                return []
            raise
        specs = [binding["spec"] for binding in listed["items"]]
        return [spec["targetGroupARN"] for spec in specs if spec.get("targetType", "instance") == "instance"]

    def patch_node(self, name: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Merge ``body`` into the Node; None if there is none. KubeConflict on another UID."""
        return self._get_or_none(self._core.patch_node, name, dict(body))

    def patch_node_status(self, name: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Merge ``body`` into the Node's status, conditions by their type; None if there is no such Node."""
        return self._get_or_none(self._core.patch_node_status, name, dict(body))

    def pods_on(self, node: str) -> Listing:
        """The pods bound to the node, in one request."""
        listed = self._json(self._core.list_pod_for_all_namespaces, field_selector=f"spec.nodeName={node}")
        return Listing([pods.parse(raw) for raw in listed["items"]], listed["metadata"]["resourceVersion"])

    def budgets(self) -> list[Budget]:
        """All disruption budgets, in one request."""
        listed = self._json(self._policy.list_pod_disruption_budget_for_all_namespaces)
        return [budgets.parse(raw) for raw in listed["items"]]

    def daemonsets(self) -> set[tuple[str, str]]:
        """Namespace and name of all DaemonSets, in one request."""
        listed = self._json(self._apps.list_daemon_set_for_all_namespaces)
        return {(raw["metadata"]["namespace"], raw["metadata"]["name"]) for raw in listed["items"]}

    def watch_until_gone(
        self, node: str, listing: Listing, leaving: Iterable[Pod], seconds: int
    ) -> list[Pod]:
        """Watch the node's pods from ``listing`` on until all ``leaving`` are gone; the pods then.

        One request, which the server ends after ``seconds``; nothing is asked in a loop.
        """
        present = {pod.uid: pod for pod in listing.pods}
        awaited = {pod.uid for pod in leaving}
        for event in self._watch(node, listing.resource_version, seconds):
            _apply(event, present)
            if not awaited & present.keys():
                break
        return list(present.values())

    def evict(self, doomed: Sequence[Pod], grace_s: int) -> list[tuple[Pod, Answer]]:
        """Ask for the eviction of each pod, several at once; each with its answer, whatever it is.

        ``grace_s``: seconds of grace, -1 for the pod's own.
        """
        return self._each(doomed, lambda pod: self._answer(self._post_eviction, pod, grace_s))

    def delete(self, doomed: Sequence[tuple[Pod, int]]) -> list[tuple[Pod, Answer]]:
        """DELETE each pod with its grace (seconds, 1 or more), past all budgets; each with its answer."""
        graces = {pod.uid: grace for pod, grace in doomed}
        return self._each(
            [pod for pod, _ in doomed], lambda pod: self._answer(self._delete, pod, graces[pod.uid])
        )

    def _paged(self, method: Callable[..., Any]) -> Iterator[dict[str, Any]]:
        following = None
        while True:
            page = self._json(method, limit=PAGE, _continue=following)
            yield from page["items"]
            following = page["metadata"].get("continue")
            if not following:
                return

    def create_event(self, event: Mapping[str, Any]) -> None:
        """Store a core/v1 Event in the namespace default; KubeConflict if it stands there already."""
        self._json(self._core.create_namespaced_event, "default", dict(event))

    def _watch(self, node: str, since: str, seconds: int) -> Iterator[dict[str, Any]]:
        response = self._answered(
            self._core.list_pod_for_all_namespaces,
            field_selector=f"spec.nodeName={node}",
            resource_version=since,
            watch=True,
            timeout_seconds=seconds,
            # The server ends the watch; the extra seconds are for a server that does not.
            _request_timeout=(TIMEOUT_S[0], seconds + 3),
        )
        try:
            for line in _lines(response):
                yield json.loads(line)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise KubeUnavailable(f"The watch on {node}'s pods broke off: {error}.") from error
        finally:
            response.close()

    def _post_eviction(self, pod: Pod, grace_s: int) -> Any:
        options: dict[str, Any] = {"preconditions": {"uid": pod.uid}}
        if grace_s >= 0:
            options["gracePeriodSeconds"] = max(1, grace_s)
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
            "deleteOptions": options,
        }
        return self._send(self._core.create_namespaced_pod_eviction, pod.name, pod.namespace, body)

    def _delete(self, pod: Pod, grace_s: int) -> Any:
        body = {"gracePeriodSeconds": max(1, grace_s), "preconditions": {"uid": pod.uid}}
        return self._send(self._core.delete_namespaced_pod, pod.name, pod.namespace, body=body)

    def _each(self, doomed: Sequence[Pod], ask: Callable[[Pod], Answer]) -> list[tuple[Pod, Answer]]:
        with ThreadPoolExecutor(max_workers=min(WORKERS, len(doomed))) as workers:
            return list(zip(doomed, workers.map(ask, doomed), strict=True))

    def _answer(self, method: Callable[..., Any], pod: Pod, grace_s: int) -> Answer:
        try:
            response = method(pod, grace_s)
            # Only an answer that was read gives its connection back; one that is cut short is none.
            response.read()
            return Answer(response.status, "")
        except ApiException as error:
            return _answer_of(error)
        except urllib3.exceptions.HTTPError as error:
            return Answer(0, _why(error))

    def _get_or_none(self, method: Callable[..., Any], *arguments: Any) -> dict[str, Any] | None:
        try:
            return self._json(method, *arguments)
        except KubeRejected as error:
            if isinstance(error.__cause__, ApiException) and error.__cause__.status == 404:
                return None
            raise

    def _json(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> dict[str, Any]:
        response = self._answered(method, *arguments, **options)
        try:
            parsed: dict[str, Any] = json.loads(response.data)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise _unusable(error) from error
        return parsed

    def _answered(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return self._send(method, *arguments, **options)
        except ApiException as error:
            raise _translated(error) from error
        except urllib3.exceptions.HTTPError as error:
            raise _unusable(error) from error

    def _send(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        options = {"_request_timeout": TIMEOUT_S, "_preload_content": False, **options}
        try:
            return method(*arguments, **options)
        except ApiException as error:
            if error.status != 401 or self._renew_token is None:
                raise
            # A cached token may have run out just now; a second refusal is final.
            self._renew_token()
            return method(*arguments, **options)


def _lines(response: Any) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(None):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line.strip())


def _apply(event: Mapping[str, Any], present: dict[str, Pod]) -> None:
    kind, raw = event["type"], event["object"]
    if kind == "ERROR":
        raise KubeUnavailable(f"The watch was ended by the server: {raw.get('message', 'no reason given')}.")
    if kind == "DELETED":
        present.pop(raw["metadata"]["uid"], None)
    elif kind in ("ADDED", "MODIFIED"):
        present[raw["metadata"]["uid"]] = pods.parse(raw)


def _answer_of(error: ApiException) -> Answer:
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


def _translated(error: ApiException) -> Exception:
    """The error of ours for an answer that is none of a drain's ordinary outcomes.

    401 KubeUnauthorized · 403 KubeForbidden · 409 KubeConflict · 429 KubeThrottled
    0 (TLS) and 5xx KubeUnavailable · otherwise KubeRejected
    """
    message = _answer_of(error).message
    match error.status:
        case 401:
            return KubeUnauthorized(
                "The cluster does not know the caller (401). A function's role needs an access entry: "
                "docs/operations.md; a kubeconfig needs credentials that are still valid."
            )
        case 403:
            return KubeForbidden(f"{message}. Apply kubernetes/rbac.yaml and check the access entry's group.")
        case 409:
            return KubeConflict(message)
        case 429:
            return KubeThrottled(f"The Kubernetes API asks for fewer requests: {message}")
        case status if not status or status >= 500:
            return KubeUnavailable(f"The Kubernetes API answered {status or 'with a TLS failure'}: {message}")
        case status:
            return KubeRejected(f"The Kubernetes API refused the request ({status}): {message}")


def _unusable(error: Exception) -> KubeUnavailable:
    return KubeUnavailable(
        f"The Kubernetes API gave no usable answer: {_why(error).rstrip('.')}. "
        "Check that the cluster is up and can be reached from here."
    )


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return f"{type(reason).__name__}: {str(reason)[:200]}"
