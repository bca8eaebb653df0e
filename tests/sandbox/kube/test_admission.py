"""What the server adds to a new object: here, the end of a generated name."""

from types import SimpleNamespace

import pytest

from stepdrain_sandbox.clock import VirtualClock
from stepdrain_sandbox.kube import admission
from stepdrain_sandbox.kube.cluster import Cluster
from stepdrain_sandbox.kube.status import ApiError

POD = {"kind": "Pod", "metadata": {"generateName": "web-"}}


@pytest.fixture
def cluster():
    """No kubelet and no controller: what is created stays as it is."""
    clock = VirtualClock()
    yield Cluster(clock, kubelet=False, controllers=False)
    clock.close()


def drawn(monkeypatch, letters):
    """The generated names end in these, in this order."""
    left = iter(letters)
    monkeypatch.setattr(admission, "secrets", SimpleNamespace(choice=lambda _alphabet: next(left)))


def test_a_name_that_is_taken_is_drawn_again(cluster, monkeypatch):
    """Else one pod took the place of another, and a node with 110 pods had 109, once in some hundred runs."""
    drawn(monkeypatch, 2 * "bbbbb" + "ccccc")
    for _ in range(2):
        cluster.create(POD)
    assert [pod["metadata"]["name"] for pod in cluster.list("Pod")] == ["web-bbbbb", "web-ccccc"]


def test_a_prefix_without_a_free_name_is_refused(cluster, monkeypatch):
    """The server draws eight times and then says 409, as upstream (KEP-4420)."""
    drawn(monkeypatch, "b" * 45)
    cluster.create(POD)
    with pytest.raises(ApiError, match='pods "web-bbbbb" already exists'):
        cluster.create(POD)
    assert len(cluster.list("Pod")) == 1
