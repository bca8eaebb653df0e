"""Volumes: which are attached to nodes, and which belong to a claim."""

from __future__ import annotations

from stepdrain.adapters.kube.calls import Calls, understood
from stepdrain.states import wait_for_volumes
from stepdrain.states.wait_for_volumes import Attachment


class Storage(Calls):
    """Its part of stepdrain.adapters.kube.Kube."""

    def attachments(self) -> list[Attachment]:
        """All attachments of persistent volumes to nodes, in pages of 500; the API cannot select a node's."""
        read = understood(self._paged(self._storage.list_volume_attachment), wait_for_volumes.parse)
        return [attachment for attachment in read if attachment is not None]

    def volume_of(self, namespace: str, claim: str) -> str | None:
        """The PersistentVolume that a claim is bound to; None if it is not, or does not exist."""
        found = self._get_or_none(self._core.read_namespaced_persistent_volume_claim, claim, namespace)
        bound: str | None = ((found or {}).get("spec") or {}).get("volumeName")
        return bound
