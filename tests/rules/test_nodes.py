"""Which Node is an instance's: two proofs, whatever the nodes of a cluster are called."""

import pytest
from stepdrain.rules import nodes
from stepdrain.rules.nodes import Instance, bears, described, ec2_instance_of, instance_of, of_instance

IPV4, IPV6 = "10.0.0.1", "2600:1f18::1"


def a_node(name, *, provider="", address=IPV4, hostname="", ready="True", created="2026-01-01T00:00:00Z"):
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": created,
            "labels": {nodes.HOSTNAME: hostname} if hostname else {},
        },
        "spec": {"providerID": provider} if provider else {},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "conditions": [{"type": "Ready", "status": ready}] if ready else [],
        },
    }


def instance(name="ip-10-0-0-1.ec2.internal", *addresses):
    return Instance("i-0123456789abcdef0", name.lower(), frozenset(addresses or {IPV4}))


@pytest.mark.parametrize(
    ("provider", "found"),
    [
        ("aws:///eu-west-1a/i-1", "i-1"),
        ("aws:////i-1", "i-1"),
        ("i-1", "i-1"),
        ("aws:///eu-west-1a/fargate-ip-10-0-0-1", "fargate-ip-10-0-0-1"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_provider_id_ends_in_the_instance(provider, found):
    """The forms that kubernetes/cloud-provider-aws reads."""
    assert instance_of({"spec": {"providerID": provider}}) == found


@pytest.mark.parametrize(
    ("name", "hostname", "private"),
    [
        ("ip-10-0-0-1.ec2.internal", "", "ip-10-0-0-1.ec2.internal"),
        ("worker-0", "ip-10-0-0-1.ec2.internal", "ip-10-0-0-1.ec2.internal"),
        ("ip-10-0-0-1.corp.example.com", "", "ip-10-0-0-1.Corp.Example.com"),
        ("ip-10-0-0-1.corp.example.com", "", "ip-10-0-0-1.ec2.internal"),
        ("ip-10-0-0-1", "", "ip-10-0-0-1.ec2.internal"),
        ("worker-0", "IP-10-0-0-1", "ip-10-0-0-1.ec2.internal"),
        ("i-0123456789abcdef0.ec2.internal", "", "i-0123456789abcdef0.ec2.internal"),
        ("i-0123456789abcdef0.eu-west-1.compute.internal", "", ""),
        ("i-0123456789abcdef0", "", "ip-10-0-0-1.ec2.internal"),
    ],
)
def test_a_name_is_compared_by_its_host(name, hostname, private):
    """Capitals, custom domains, resource-based names: the host part is the instance's in each."""
    assert bears(a_node(name, hostname=hostname), instance(private))


@pytest.mark.parametrize(
    ("listed", "known", "proof"),
    [
        (IPV4, (IPV4,), True),
        (IPV6, (IPV6,), True),
        ("2600:1f18:0:0:0:0:0:1", (IPV6,), True),
        ("2600:1F18::1", (IPV4, IPV6), True),
        (IPV6, (IPV4,), False),
        ("10.0.0.2", (IPV4,), False),
        ("none of ours", (IPV4,), False),
    ],
)
def test_an_address_is_compared_as_such(listed, known, proof):
    """IPv6-only nodes have no IPv4 address, and an IPv6 address has many forms."""
    node = a_node("i-0123456789abcdef0.ec2.internal", address=listed)
    assert bears(node, instance("i-0123456789abcdef0.ec2.internal", *known)) is proof


@pytest.mark.parametrize(
    "node",
    [
        a_node("ip-10-0-0-1.ec2.internal", provider="aws:///a/i-9"),
        a_node("ip-10-0-0-2.ec2.internal"),
        a_node("ip-10-0-0-1.ec2.internal", address="10.0.0.2"),
        {
            **a_node("ip-10-0-0-1.ec2.internal"),
            "status": {"addresses": [{"type": "ExternalIP", "address": IPV4}]},
        },
        {**a_node("ip-10-0-0-1.ec2.internal"), "status": None},
    ],
)
def test_half_a_proof_is_none(node):
    """Name and address together, and nobody else's providerID; an external address may be anybody's."""
    assert not bears(node, instance())


def test_without_an_address_there_is_no_second_proof():
    """EC2 has forgotten the instance: a name is not enough."""
    assert not bears(a_node("i-0123456789abcdef0"), Instance("i-0123456789abcdef0"))


def of(*found):
    return [nodes.name_of(node) for node in of_instance(found, instance())]


MINE = "aws:///a/i-0123456789abcdef0"
OLD = a_node("old", provider=MINE, created="2026-01-01T00:00:00Z")
YOUNG = a_node("young", provider=MINE, created="2026-01-02T00:00:00Z")
SILENT = a_node("silent", provider=MINE, created="2026-01-03T00:00:00Z", ready="Unknown")


def test_ready_comes_before_young_and_young_before_old():
    """The kubelet that lives is the one whose Node is Ready; the younger is the one of its last name."""
    assert of(SILENT, OLD, YOUNG) == ["young", "old", "silent"]
    assert of(OLD, SILENT) == ["old", "silent"]
    assert of(a_node("dead", provider=MINE, ready="False"), SILENT) == ["silent", "dead"]
    assert of(a_node("another", provider="aws:///a/i-9")) == []


def test_the_second_proof_counts_only_where_the_first_finds_nothing():
    """And a Node that is listed and was asked for by name is one Node."""
    bearing = a_node("ip-10-0-0-1.ec2.internal")
    assert of(bearing, bearing) == ["ip-10-0-0-1.ec2.internal"]
    assert of(bearing, OLD) == ["old"]


def test_the_others_are_named_with_what_to_do():
    """A stale Node keeps its pods in the API, and nobody else tells its owner."""
    sentence = nodes.others(of_instance([SILENT, OLD, YOUNG], instance()), instance())
    assert "has 3 Nodes. young is Ready and is drained; left alone: old, silent." in sentence
    assert sentence.endswith("kubectl delete node old silent")
    assert "none is Ready" in nodes.others(
        of_instance([SILENT, SILENT | {"metadata": {"name": "x"}}], instance()), instance()
    )
    assert nodes.others([OLD], instance()) == ""


def test_a_node_of_the_second_proof_is_told():
    """Something is wrong with the cloud controller, and the drain was right by inference only."""
    assert "has no providerID" in nodes.unproven(a_node("n"), instance())
    assert nodes.unproven(OLD, instance()) == ""


def test_an_instance_is_read_as_ec2_describes_it():
    """All its interfaces: the node's address may be on any of them."""
    raw = {
        "PrivateDnsName": "IP-10-0-0-1.ec2.internal",
        "PrivateIpAddress": IPV4,
        "NetworkInterfaces": [
            {
                "PrivateIpAddresses": [{"PrivateIpAddress": IPV4}, {"PrivateIpAddress": "10.0.0.9"}],
                "Ipv6Addresses": [{"Ipv6Address": "2600:1f18:0::1"}],
            },
            {},
        ],
    }
    found = described("i-1", raw)
    assert found == Instance("i-1", "ip-10-0-0-1.ec2.internal", frozenset({IPV4, "10.0.0.9", IPV6}))
    assert found.guesses == ["ip-10-0-0-1.ec2.internal", "i-1"]
    assert described("i-1", None) == described("i-1", {}) == Instance("i-1")


@pytest.mark.parametrize(
    ("conditions", "ready", "silent"),
    [
        ([{"type": "Ready", "status": "True"}], True, False),
        ([{"type": "Ready", "status": "Unknown"}], False, True),
        ([{"type": "Ready", "status": "False"}], False, True),
        ([{"type": "MemoryPressure", "status": "True"}], False, False),
        ([], False, False),
        (None, False, False),
        ([{}], False, False),
    ],
)
def test_a_node_is_silent_if_it_says_that_it_is_not_ready(conditions, ready, silent):
    """A Node that has just been made says nothing yet."""
    node = {"metadata": {"name": "n"}, "status": {"conditions": conditions}}
    assert (nodes.ready(node), nodes.silent(node)) == (ready, silent)


@pytest.mark.parametrize(
    ("provider", "found"),
    [
        ("aws:///a/i-01234567", "i-01234567"),
        ("aws:///a/i-0123456789abcdef0", "i-0123456789abcdef0"),
        ("aws:///a/i-0123456", None),
        ("aws:///a/i-012345678", None),
        ("aws:///a/fargate-ip-10-0-0-1", None),
        ("", None),
    ],
)
def test_an_instance_of_ec2_has_eight_or_seventeen_digits(provider, found):
    """Fargate's and other clouds' nodes are no instances."""
    assert ec2_instance_of({"spec": {"providerID": provider}}) == found
    assert ec2_instance_of({}) is None


def test_the_node_that_is_drained_is_said_to_be_ready_by_its_own_condition():
    """The others may be anything."""
    assert "young is Ready and is drained" in nodes.others([YOUNG, SILENT], instance())
    assert "none is Ready" in nodes.others([SILENT, SILENT], instance())


def test_what_is_no_address_proves_nothing():
    """Nor do two Nodes or instances that have none."""
    name = "ip-10-0-0-1.ec2.internal"
    assert not bears(a_node(name, address="none"), Instance("i-1", name))
    assert described("i-1", {"PrivateIpAddress": "none"}).addresses == frozenset()
