"""What the store finds without looking at everything, and whom it tells; hypothesis plays the cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepdrain_sandbox.clock import VirtualClock
from stepdrain_sandbox.kube.resources import BY_KIND
from stepdrain_sandbox.kube.store import Store

POD, NODE = BY_KIND["Pod"], BY_KIND["Node"]
NAMESPACES, NAMES, NODES = ["a", "a-b", "ab"], ["x", "y", "z"], ["", "n1", "n2"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "remove"]),
        st.sampled_from(NAMESPACES),
        st.sampled_from(NAMES),
        st.sampled_from(NODES),
    ),
    max_size=20,
)


@pytest.fixture(scope="module")
def clock():
    """It only stamps."""
    clock = VirtualClock()
    yield clock
    clock.close()


def pod(namespace, name, node):
    return {"metadata": {"namespace": namespace, "name": name}, "spec": {"nodeName": node} if node else {}}


def play(store, steps):
    """Create, bind or remove pods, as ``steps`` say."""
    for what, namespace, name, node in steps:
        before = store.get(POD, namespace, name)
        if what == "remove" and before is not None:
            store.remove(POD, before)
        if what == "put" and before is None:
            store.create(POD, pod(namespace, name, node))
        elif what == "put":
            store.replace(POD, before, {**before, "spec": pod(namespace, name, node)["spec"]})


@given(STEPS)
def test_lists_are_what_a_search_through_all_pods_finds(clock, steps):
    """An index that forgot a pod would hide it from the drain, and from every test of it."""
    store = Store(clock)
    play(store, steps)
    pods = sorted(store.pods(), key=lambda pod: (pod["metadata"]["namespace"], pod["metadata"]["name"]))
    assert store.all(POD) == pods
    for namespace in NAMESPACES:
        assert store.all(POD, namespace) == [pod for pod in pods if pod["metadata"]["namespace"] == namespace]
    for node in NODES:
        on_node = [pod for pod in pods if pod["spec"].get("nodeName", "") == node]
        assert store.all(POD, node=node) == on_node
        assert sorted(map(id, store.pods_on(node))) == sorted(map(id, on_node))
        assert store.loads().get(node, 0) == (len(on_node) if node else 0)


@given(STEPS)
def test_who_listens_to_a_node_hears_what_concerns_it_and_no_more(clock, steps):
    """A pod that comes to the node or goes from it concerns it; each change is reported once."""
    store = Store(clock)
    everything, on_node = [], []
    store.subscribe(everything.append)
    store.subscribe(on_node.append, POD, "n1")
    play(store, steps)
    versions = [change for change in everything if "n1" in (node_of(change.object), node_of(change.before))]
    assert on_node == versions


def node_of(change):
    return change["spec"].get("nodeName", "") if change else None


def test_who_listens_to_a_kind_hears_of_no_other(clock):
    """And of nothing any more, once it has stopped."""
    store, changes = Store(clock), []
    stop = store.subscribe(changes.append, NODE)
    store.create(POD, pod("a", "x", "n1"))
    store.create(NODE, {"metadata": {"name": "n1"}})
    assert [change.resource for change in changes] == [NODE]
    stop()
    store.create(NODE, {"metadata": {"name": "n2"}})
    assert len(changes) == 1


def test_nothing_is_created_over_what_is_there(clock):
    """The first would be lost, and nobody notified: a watch would see two ADDED of one name."""
    store = Store(clock)
    kept = store.create(POD, pod("a", "x", "n1"))
    with pytest.raises(ValueError, match="pods a/x is there already"):
        store.create(POD, pod("a", "x", "n2"))
    assert store.all(POD) == [kept]
