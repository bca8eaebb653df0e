"""What keeps a pod away from a node, and what does not."""

import pytest
from stepdrain.rules.tolerations import CORDON, tolerates

GPU = {"key": "gpu", "value": "a100", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "taint", "fits"),
    [
        ({"operator": "Exists"}, CORDON, True),
        ({"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}, CORDON, True),
        ({"key": "node.kubernetes.io/unschedulable"}, CORDON, True),
        ({"key": "node.kubernetes.io/not-ready", "operator": "Exists"}, CORDON, False),
        ({"operator": "Exists", "effect": "NoExecute"}, CORDON, False),
        ({"key": "gpu", "value": "a100"}, GPU, True),
        ({"key": "gpu", "value": "h100"}, GPU, False),
        ({"key": "gpu"}, {**GPU, "effect": "PreferNoSchedule"}, True),
        ({"key": "other"}, {**GPU, "effect": "PreferNoSchedule"}, True),
    ],
)
def test_a_toleration_fits_a_taint(toleration, taint, fits):
    """kubernetes.io, "Taints and Tolerations": key, operator, value and effect."""
    assert tolerates([toleration], taint) is fits
