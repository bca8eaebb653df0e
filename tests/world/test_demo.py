"""The demo's judgement is worth nothing if it cannot fail."""

from stepdrain_recorded.audit import Change
from stepdrain_sandbox import guarantees


def changed(*kinds, name="n"):
    return [
        Change("t", kind, "ns/p" if kind in ("evict", "delete") else name, 200, "stepdrain/0.1.0")
        for kind in kinds
    ]


def test_the_right_order_is_not_complained_of():
    """Label, cordon, evictions."""
    assert guarantees.order_broken(changed("label", "cordon", "evict", "evict"), "n") == []


def test_an_eviction_before_the_cordon_is_told():
    """G1 Order."""
    assert guarantees.order_broken(changed("label", "evict", "cordon"), "n") != []
    assert guarantees.order_broken(changed("cordon", "label"), "n") != []
    assert guarantees.order_broken(changed("evict"), "n") != []


def test_a_deletion_is_told_unless_the_policy_forces():
    """G2 Only the Eviction API removes pods."""
    assert guarantees.deletions_made(changed("delete"), "fail") != []
    assert guarantees.deletions_made(changed("delete"), "force") == []


def test_an_eviction_of_a_daemonset_pod_is_told():
    """G3 DaemonSet pods stay."""
    assert guarantees.others_touched(changed("evict"), ["ns/p"]) != []


def test_a_token_is_told():
    """G9 No token is logged."""
    assert guarantees.secrets_shown(["Authorization: k8s-aws-v1.abc"]) != []
