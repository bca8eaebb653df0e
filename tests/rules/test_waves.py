"""Who leaves before whom."""

from dataclasses import replace

import pytest
from stepdrain.rules.pods import Owner, Pod
from stepdrain.rules.waves import first, unreadable, wave

ORDINARY = Pod("shop", "web", "u-1", "Running", True, {}, {}, "", None, False, 30, 0.0, None)
DNS = replace(ORDINARY, name="coredns", priority_class="system-cluster-critical")
PROXY = replace(ORDINARY, name="proxy", owner=Owner("apps/v1", "DaemonSet", "proxy"), priority_class="x")


def test_ordinary_pods_leave_before_the_systems_and_those_before_daemonsets():
    """CoreDNS still answers while applications shut down."""
    assert [wave(pod) for pod in (ORDINARY, DNS, PROXY)] == [1, 2, 3]


@pytest.mark.parametrize("priority", ["system-node-critical", "system-cluster-critical"])
def test_the_systems_daemonsets_leave_last(priority):
    """The network's and the storage driver's pods serve all others, DaemonSets' among them, to the end."""
    assert wave(replace(PROXY, priority_class=priority)) == 4
    assert wave(replace(PROXY, owner=Owner("apps.kruise.io/v1", "DaemonSet", "p"))) == 3
    assert wave(replace(PROXY, owner=Owner("x/v1", "Agent", "p"), bound_to_node=True)) == 3


@pytest.mark.parametrize(
    ("asked", "expected"), [("0", 0), ("9", 9), ("10", 1), ("soon", 1), ("-1", 1), ("²", 1)]
)
def test_an_annotation_moves_a_pod_and_a_bad_one_does_not(asked, expected):
    """A typing error must not stop a drain."""
    assert wave(replace(ORDINARY, annotations={"stepdrain/wave": asked})) == expected


def test_a_wave_that_is_still_leaving_holds_the_next_one_back():
    """Each wave is gone before the next starts."""
    leaving = replace(ORDINARY, deletion_at=1.0)
    assert first([DNS, leaving]) == [leaving]
    assert first([DNS]) == [DNS]
    assert first([]) == []


def test_a_bad_annotation_is_named_with_the_wave_that_is_used():
    """Whoever wrote it looks for a number from 0 to 9. Others are not named."""
    bad, good = (replace(DNS, annotations={"stepdrain/wave": text}) for text in ("soon", "0"))
    (sentence,) = unreadable([ORDINARY, good, bad])
    assert sentence.startswith("shop/coredns: annotation stepdrain/wave='soon' is not a number from 0 to 9;")
    assert sentence.endswith("wave 2 is used")
