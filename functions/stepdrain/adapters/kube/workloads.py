"""What controls pods: read, and restarted by one PATCH. Needs kubernetes/roll.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kubernetes.client.exceptions import ApiException

from stepdrain.adapters.concurrent import ask_each
from stepdrain.adapters.kube import calls
from stepdrain.adapters.kube.calls import Calls, Json
from stepdrain.errors import DrainError, KubeForbidden, KubeRejected, KubeUnauthorized
from stepdrain.rules import workloads
from stepdrain.rules.pods import Owner, Pod
from stepdrain.rules.workloads import DEPLOYMENT, STATEFUL_SET, Controllers, Workload

FIELD_MANAGER = "stepdrain"
REPLICA_SET = "ReplicaSet"


class Workloads(Calls):
    """Its part of stepdrain.adapters.kube.Kube."""

    def controllers(self, pods: Sequence[Pod]) -> dict[str, Controllers]:
        """By a pod's UID what controls it; a GET for each controller, one more for a ReplicaSet's Deployment.

        A pod whose controller is gone, or is neither ReplicaSet nor StatefulSet, has no workload. An answer
        about one controller is in its entry; only KubeUnauthorized, which is about all, is raised.
        """
        owners = {pod.uid: (pod.namespace, pod.owner) for pod in pods if pod.owner is not None}
        asked = sorted(set(owners.values()), key=str)
        found = ask_each(lambda key: self._controllers(*key), asked, calls.WORKERS)
        by_owner = dict(zip(asked, found, strict=True))
        return {uid: by_owner[key] for uid, key in owners.items()}

    def _controllers(self, namespace: str, owner: Owner) -> Controllers:
        try:
            return self._read(namespace, owner)
        except KubeUnauthorized:
            raise
        except DrainError as error:
            return Controllers(owner, error=error)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            why = f"The API's answer cannot be understood ({type(error).__name__}: {error})"
            return Controllers(owner, error=KubeRejected(why))

    def _read(self, namespace: str, owner: Owner) -> Controllers:
        if not owner.api_version.startswith("apps/"):
            return Controllers(owner)
        if owner.kind == STATEFUL_SET:
            return Controllers(owner, workload=self.workload(STATEFUL_SET, namespace, owner.name))
        if owner.kind != REPLICA_SET:
            return Controllers(owner)
        replica_set = self._permitted(self._apps.read_namespaced_replica_set, owner.name, namespace)
        top = workloads.owner_of(replica_set) if replica_set else None
        if top is None:
            return Controllers(owner)
        if top.kind != DEPLOYMENT or not top.api_version.startswith("apps/"):
            return Controllers(top)
        return Controllers(top, replica_set, self.workload(DEPLOYMENT, namespace, top.name))

    def workload(self, kind: str, namespace: str, name: str) -> Workload | None:
        """The Deployment or StatefulSet, None if there is none."""
        read = (
            self._apps.read_namespaced_deployment
            if kind == DEPLOYMENT
            else self._apps.read_namespaced_stateful_set
        )
        found = self._permitted(read, name, namespace)
        return workloads.parse(kind, found) if found else None

    def restart(self, workload: Workload, change: Mapping[str, Any]) -> bool:
        """PATCH the workload; False if it is gone. KubeConflict if it is not as it was read."""
        patch = (
            self._apps.patch_namespaced_deployment
            if workload.kind == DEPLOYMENT
            else self._apps.patch_namespaced_stateful_set
        )
        timeout = self._write_timeout()
        options: dict[str, Any] = {"field_manager": FIELD_MANAGER, "_request_timeout": timeout}
        done = self._permitted(patch, workload.name, workload.namespace, dict(change), **options)
        return done is not None

    def _permitted(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Json | None:
        """As ``_get_or_none``; what is forbidden names the file that permits it."""
        try:
            return self._get_or_none(method, *arguments, **options)
        except KubeForbidden as error:
            if not isinstance(error.__cause__, ApiException):
                raise
            said = calls.answer_of(error.__cause__).message
            raise KubeForbidden(f"{said}. Apply kubernetes/roll.yaml") from error.__cause__

    def pods_of(self, workload: Workload) -> list[Json]:
        """The pods that the workload selects, as core/v1 JSON, in one request."""
        method = self._core.list_namespaced_pod
        listed = self._json(method, workload.namespace, label_selector=workload.selector)
        found: list[Json] = listed["items"]
        return found
