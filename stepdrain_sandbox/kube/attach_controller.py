"""A simple attach/detach controller and CSI driver: attaches a volume where a pod mounts its claim.

kubernetes/kubernetes pkg/controller/volume/attachdetach. A volume is detached some time
after its last pod on the node has ended, if the driver's pod on the node can unmount it;
otherwise by force after six minutes (maxWaitForUnmountDuration).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from stepdrain_sandbox.kube import admission
from stepdrain_sandbox.kube.reconciler import Reconciler
from stepdrain_sandbox.kube.resources import BY_KIND
from stepdrain_sandbox.kube.store import Change, Store

Json = dict[str, Any]
POD, CLAIM, VOLUME = BY_KIND["Pod"], BY_KIND["PersistentVolumeClaim"], BY_KIND["PersistentVolume"]
ATTACHMENT = BY_KIND["VolumeAttachment"]
DRIVER = "ebs.csi.aws.com"
DRIVER_LABEL = ("app", "ebs-csi-node")
"""The label of the driver's DaemonSet pods."""
DETACHES_AFTER = "sandbox.stepdrain/detaches-after"
"""Annotation on a PersistentVolume: seconds from its last pod's end on a node until it is detached."""
DETACHES_AFTER_S = 8.0
FORCED_AFTER_S = 360.0


class AttachController:
    """Keeps the VolumeAttachments of all nodes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._unused_since: dict[str, float] = {}
        """Attachment name to the time at which its last pod had ended."""
        self._reconciler = Reconciler(store, self._nodes, self._attach)

    def _nodes(self, change: Change) -> Iterable[str]:
        node = change.object["spec"].get("nodeName") if change.resource is POD else None
        return [node] if node else []

    def _attach(self, node: str) -> None:
        used = {volume for pod in self._store.pods_on(node) for volume in self._volumes(pod)}
        for volume in sorted(used):
            name = attachment_name(volume, node)
            self._unused_since.pop(name, None)
            if self._store.get(ATTACHMENT, "", name) is None:
                made = admission.admit(self._store, ATTACHMENT, "", _attachment(volume, node))
                self._store.create(ATTACHMENT, made)
        for attachment in self._store.all(ATTACHMENT):
            volume = attachment["spec"]["source"].get("persistentVolumeName")
            if attachment["spec"]["nodeName"] == node and volume not in used:
                self._detach_later(node, attachment["metadata"]["name"], volume)

    def _detach_later(self, node: str, name: str, volume: str) -> None:
        now = self._store.clock.now()
        since = self._unused_since.setdefault(name, now)
        at = since + (self._takes_s(volume) if self._driver_lives(node) else FORCED_AFTER_S)
        if at > now:
            self._store.clock.call_at(at, lambda: self._reconciler.mark(node))
            return
        del self._unused_since[name]
        self._store.remove(ATTACHMENT, self._store.get(ATTACHMENT, "", name) or {})

    def _takes_s(self, volume: str) -> float:
        annotations = (self._store.get(VOLUME, "", volume) or {}).get("metadata", {}).get("annotations") or {}
        return float(annotations.get(DETACHES_AFTER, DETACHES_AFTER_S))

    def _driver_lives(self, node: str) -> bool:
        key, value = DRIVER_LABEL
        return any(
            (pod["metadata"].get("labels") or {}).get(key) == value
            and "deletionTimestamp" not in pod["metadata"]
            for pod in self._store.pods_on(node)
        )

    def _volumes(self, pod: Json) -> Iterable[str]:
        if pod["status"].get("phase") in ("Succeeded", "Failed"):
            return
        for volume in pod["spec"].get("volumes") or ():
            name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            claim = self._store.get(CLAIM, pod["metadata"]["namespace"], name) if name else None
            if claim is not None and claim["spec"].get("volumeName"):
                yield claim["spec"]["volumeName"]


def attachment_name(volume: str, node: str) -> str:
    """``csi-`` and a hash of both, as the controller names them."""
    return f"csi-{hashlib.sha256(f'{volume}{DRIVER}{node}'.encode()).hexdigest()}"


def _attachment(volume: str, node: str) -> Json:
    return {
        "kind": "VolumeAttachment",
        "metadata": {"name": attachment_name(volume, node)},
        "spec": {"attacher": DRIVER, "nodeName": node, "source": {"persistentVolumeName": volume}},
        "status": {"attached": True},
    }
