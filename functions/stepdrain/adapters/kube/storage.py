"""Volumes: which belong to a claim. Which are attached to nodes is in watches.py."""

from __future__ import annotations

from stepdrain.adapters.kube.calls import Calls


class Storage(Calls):
    """Its part of stepdrain.adapters.kube.Kube."""

    def volume_of(self, namespace: str, claim: str) -> str | None:
        """The PersistentVolume that a claim is bound to; None if it is not, or does not exist."""
        found = self._get_or_none(self._core.read_namespaced_persistent_volume_claim, claim, namespace)
        bound: str | None = ((found or {}).get("spec") or {}).get("volumeName")
        return bound
