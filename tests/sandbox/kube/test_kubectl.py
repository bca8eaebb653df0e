"""Real kubectl on the emulator: what people type must work, and look as they know it."""

import subprocess
import threading

import pytest

from stepdrain_sandbox.clock import RealClock
from stepdrain_sandbox.kube.server import KubeServer
from stepdrain_sandbox.workload import budget, daemonset
from tests.conftest import KUBECTL

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
SPEED = 10
"""The cluster's seconds in one real second: its kubelets hurry, kubectl does not notice."""

MANIFESTS = """\
apiVersion: v1
kind: Pod
metadata: {name: lone, labels: {app: lone}}
spec:
  nodeName: n1
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: registry.invalid/c}]
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: {kubernetes.io/hostname: n1}
      terminationGracePeriodSeconds: 1
      containers: [{name: c, image: registry.invalid/c}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {maxUnavailable: 0, selector: {matchLabels: {app: web}}}
"""


class Kubectl:
    """kubectl with the cluster's kubeconfig and an empty home."""

    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(server.kubeconfig())

    def __call__(self, *arguments, given=None, fails=False):
        """What it printed: stdout, and stderr after it."""
        done = subprocess.run(
            [KUBECTL, "--kubeconfig", str(self.kubeconfig), *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            env={"HOME": str(self.folder), "PATH": "/usr/local/bin:/usr/bin:/bin"},
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def wait(self, holds):
        """Wait until the cluster is as the test needs it; its kubelets need a moment."""
        for _ in range(200):
            if holds():
                return
            self.server.clock.sleep(0.5)
        raise AssertionError("The cluster did not get there.")


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory):
    """Two nodes, a DaemonSet on both, and what was applied from a file."""
    clock = RealClock(SPEED)
    with KubeServer(clock) as server:
        for name in ("n1", "n2"):
            labels = {"kubernetes.io/hostname": name}
            server.cluster.create({"kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}})
        server.cluster.load(daemonset("proxy", ["n1", "n2"]))
        made = Kubectl(server, tmp_path_factory.mktemp("kubectl"))
        made.applied = made("apply", "-f", "-", given=MANIFESTS)
        made.wait(lambda: sum(pod["status"]["phase"] == "Running" for pod in server.cluster.list("Pod")) == 5)
        yield made
    clock.close()


def rows(table):
    """A printed table as lists of cells; columns are two spaces or more apart."""
    return [[cell for cell in line.split("  ") if cell] for line in table.splitlines()]


def test_a_file_is_applied(kubectl):
    """Pod, ReplicaSet and budget, as anybody writes them; a second time nothing changes.

    A budget is said to be configured each time: its selector has the patch strategy "replace".
    """
    assert kubectl.applied.splitlines()[:3] == [
        "pod/lone created",
        "replicaset.apps/web created",
        "poddisruptionbudget.policy/web created",
    ]
    again = kubectl("apply", "-f", "-", given=MANIFESTS)
    assert [line.split()[-1] for line in again.splitlines()[:2]] == ["unchanged"] * 2


def test_get_pods_prints_the_columns_people_know(kubectl):
    """Tables come from the server: an emulator without them prints names and ages only."""
    header, *pods = rows(kubectl("get", "pods"))
    assert [cell.strip() for cell in header] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert len(pods) == 3
    assert [cell.strip() for cell in pods[0][:4]] == ["lone", "1/1", "Running", "0"]


def test_get_pods_wide_and_by_node_shows_where_they_run(kubectl):
    """The first thing to look at in a drain."""
    printed = kubectl("get", "pods", "-A", "-o", "wide", "--field-selector", "spec.nodeName=n2")
    assert "NODE" in printed.splitlines()[0]
    assert [line.split()[1] for line in printed.splitlines()[1:]] == ["proxy-00001"]


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("nodes", ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]),
        ("rs", ["NAME", "DESIRED", "CURRENT", "READY", "AGE"]),
        ("pdb", ["NAME", "MIN AVAILABLE", "MAX UNAVAILABLE", "ALLOWED DISRUPTIONS", "AGE"]),
    ],
)
def test_other_kinds_have_their_columns_too(kubectl, kind, columns):
    """By their short names, which discovery tells."""
    header = rows(kubectl("get", kind))[0]
    assert [cell.strip() for cell in header] == columns


def test_describe_node_lists_its_pods(kubectl):
    """Describe needs lists, events and leases besides the node."""
    printed = kubectl("describe", "node", "n1")
    assert "Name:               n1" in printed
    assert "Non-terminated Pods:          (4 in total)" in printed
    assert "proxy-00000" in printed


def test_describe_pod_tells_its_owner(kubectl):
    """Whose it is decides what becomes of it."""
    name = kubectl("get", "pods", "-l", "app=web", "-o", "name").splitlines()[0]
    assert "Controlled By:  ReplicaSet/web" in kubectl("describe", name)


def test_what_is_not_there_is_said_in_kubectls_words(kubectl):
    """Status objects arrive as such."""
    printed = kubectl("get", "node", "nope", fails=True)
    assert printed == 'Error from server (NotFound): nodes "nope" not found\n'


def test_cordon_and_uncordon(kubectl):
    """On the other node; get shows it."""
    assert kubectl("cordon", "n2") == "node/n2 cordoned\n"
    assert "Ready,SchedulingDisabled" in kubectl("get", "node", "n2")
    assert kubectl("uncordon", "n2") == "node/n2 uncordoned\n"
    assert "SchedulingDisabled" not in kubectl("get", "node", "n2")


def test_drain_refuses_what_it_always_refuses(kubectl):
    """Without its flags, before the first eviction."""
    printed = kubectl("drain", "n1", fails=True)
    assert "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)" in printed
    assert "cannot delete Pods that declare no controller (use --force to override)" in printed
    kubectl("uncordon", "n1")


def test_drain_waits_for_a_budget_and_ends(kubectl):
    """It asks every five seconds; somebody frees the budget after its first refusal."""
    cluster = kubectl.server.cluster
    freed = threading.Event()

    def free():
        refused = [event for event in kubectl.server.audit_log if event["responseStatus"]["code"] == 429]
        if refused and not freed.is_set():
            cluster.change("PodDisruptionBudget", "web", "default", {"spec": {"maxUnavailable": "100%"}})
            freed.set()
        if not freed.is_set():
            kubectl.server.clock.call_at(kubectl.server.clock.now() + 1, free)

    free()
    printed = kubectl("drain", "n1", "--ignore-daemonsets", "--force", "--timeout=40s")
    assert freed.is_set()
    assert "Cannot evict pod as it would violate the pod's disruption budget" in printed
    assert "ignoring DaemonSet-managed Pods: kube-system/proxy-00000" in printed
    assert "pod/lone evicted" in printed
    assert "node/n1 drained\n" in printed
    left = [pod["metadata"]["name"] for pod in cluster.list("Pod") if pod["spec"].get("nodeName") == "n1"]
    assert left == ["proxy-00000"]


def test_budgets_are_made_by_our_own_manifests_too(kubectl):
    """The demo's manifests and a person's files are of one kind."""
    kubectl.server.cluster.create(budget("kube-system", "ours", {"app": "x"}, 1))
    assert rows(kubectl("get", "pdb", "-n", "kube-system"))[1][0].strip() == "ours"
