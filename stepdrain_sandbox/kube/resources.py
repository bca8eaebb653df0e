"""Which kinds there are: one row each. A plain kind, stored and given back, is one more row.

Columns of ``kubectl get`` are in tables.py.
"""

from __future__ import annotations

from dataclasses import dataclass

REVIEWS = "selfsubjectaccessreviews"
"""Created to be answered, and never stored."""
ADMISSION = "admissionregistration.k8s.io"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True)
class Resource:
    """A row: how a kind is addressed. ``generation``: the server counts changes of its spec."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    generation: bool = False

    @property
    def api_version(self) -> str:
        """``v1`` or ``policy/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version


RESOURCES = (
    Resource("", "v1", "namespaces", "Namespace", False, ("ns",), ("status", "finalize")),
    Resource("", "v1", "nodes", "Node", False, ("no",), ("status",)),
    Resource("", "v1", "pods", "Pod", True, ("po",), ("status", "eviction", "log"), True),
    Resource("", "v1", "events", "Event", True, ("ev",)),
    Resource("", "v1", "services", "Service", True, ("svc",)),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", True, ("sa",), ("token",)),
    Resource("", "v1", "configmaps", "ConfigMap", True, ("cm",)),
    Resource("", "v1", "secrets", "Secret", True),
    Resource("", "v1", "persistentvolumes", "PersistentVolume", False, ("pv",), ("status",)),
    Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, ("pvc",), ("status",)),
    Resource("apps", "v1", "deployments", "Deployment", True, ("deploy",), ("status",), True),
    Resource("apps", "v1", "replicasets", "ReplicaSet", True, ("rs",), ("status",), True),
    Resource("apps", "v1", "daemonsets", "DaemonSet", True, ("ds",), ("status",), True),
    Resource("apps", "v1", "statefulsets", "StatefulSet", True, ("sts",), ("status",), True),
    Resource("batch", "v1", "jobs", "Job", True, (), ("status",), True),
    Resource("coordination.k8s.io", "v1", "leases", "Lease", True),
    Resource(
        "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True, ("pdb",), ("status",), True
    ),
    Resource("rbac.authorization.k8s.io", "v1", "roles", "Role", True),
    Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", True),
    Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", False),
    Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", False),
    Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", False, ("pc",)),
    Resource("storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", False, (), ("status",)),
    Resource("storage.k8s.io", "v1", "csinodes", "CSINode", False),
    Resource("authorization.k8s.io", "v1", REVIEWS, "SelfSubjectAccessReview", False),
    Resource(ADMISSION, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", False),
    Resource(ADMISSION, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", False),
    Resource(ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", False),
    Resource(ADMISSION, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", False),
    Resource("elbv2.k8s.aws", "v1beta1", "targetgroupbindings", "TargetGroupBinding", True),
)
BY_PATH = {(r.group, r.version, r.plural): r for r in RESOURCES}
BY_KIND = {r.kind: r for r in RESOURCES}
BY_PLURAL = {r.plural: r for r in RESOURCES}
VERSIONS = {(r.group, r.version) for r in RESOURCES}
GROUPS = {r.group for r in RESOURCES if r.group}
