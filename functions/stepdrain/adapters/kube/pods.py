"""The pods of a node: listed, and watched until they are gone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from stepdrain.adapters.kube import calls
from stepdrain.adapters.kube.calls import Calls, Json
from stepdrain.errors import KubeUnavailable
from stepdrain.rules import pods
from stepdrain.rules.pods import Pod


@dataclass(frozen=True)
class Listing:
    """The pods of a node, and the resourceVersion from which a watch goes on."""

    pods: list[Pod]
    resource_version: str


class Pods(Calls):
    """Its part of stepdrain.adapters.kube.Kube."""

    def pods_on(self, node: str) -> Listing:
        """The pods bound to the node, in one request."""
        listed = self._json(self._core.list_pod_for_all_namespaces, field_selector=f"spec.nodeName={node}")
        return Listing([pods.parse(raw) for raw in listed["items"]], listed["metadata"]["resourceVersion"])

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

    def _watch(self, node: str, since: str, seconds: int) -> Iterator[Json]:
        response = self._answered(
            self._core.list_pod_for_all_namespaces,
            field_selector=f"spec.nodeName={node}",
            resource_version=since,
            watch=True,
            timeout_seconds=seconds,
            # The server ends the watch; the extra seconds are for a server that does not.
            _request_timeout=(calls.TIMEOUT_S[0], seconds + 3),
        )
        try:
            for line in _lines(response):
                yield json.loads(line)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise KubeUnavailable(f"The watch on {node}'s pods broke off: {error}.") from error
        finally:
            response.close()


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
