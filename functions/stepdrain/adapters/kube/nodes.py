"""Nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stepdrain.adapters.kube.calls import Json, read, sent_at
from stepdrain.adapters.kube.events import Events
from stepdrain.states.node_patch import Patched


class Nodes(Events):
    """Its part of stepdrain.adapters.kube.Kube; nodes are core/v1 Node JSON."""

    def node(self, name: str) -> Json | None:
        """The Node called ``name``, None if there is none."""
        return self._get_or_none(self._core.read_node, name)

    def nodes(self) -> Iterator[Json]:
        """All Nodes, in pages of 500."""
        return self._paged(self._core.list_node)

    def patch_node(self, name: str, body: Mapping[str, object]) -> Patched | None:
        """Merge ``body`` into the Node; None if there is none. KubeConflict on another UID."""
        timeout = self._write_timeout()
        response = self._answered_or_none(self._core.patch_node, name, dict(body), _request_timeout=timeout)
        if response is None:
            return None
        read(response)
        return Patched(sent_at(response))

    def patch_node_status(self, name: str, body: Mapping[str, object]) -> Json | None:
        """Merge ``body`` into the Node's status, conditions by their type; None if there is no such Node."""
        timeout = self._write_timeout()
        return self._get_or_none(self._core.patch_node_status, name, dict(body), _request_timeout=timeout)
