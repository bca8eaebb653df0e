"""Label: the node leaves its load balancers."""

from __future__ import annotations

from stepdrain.document.step import NodeRef
from stepdrain.errors import AdmissionDenied, KubeForbidden
from stepdrain.rules.node_marks import EXCLUDE_LABEL, LABELLED_BY
from stepdrain.states.node_patch import Cluster, patch


def exclude_from_load_balancers(cluster: Cluster, node: NodeRef, by: str) -> tuple[bool, str]:
    """Whether the label stands there, and why it was refused; doing it twice changes nothing.

    False without a reason: the node is gone. ``by`` is the drain's name. A refusal is no error: each
    protection stands alone, and the cordon must not wait for this one. The next round asks again.
    """
    own = {} if node.excluded else {"annotations": {LABELLED_BY: by}}
    try:
        return patch(cluster, node, {"metadata": {"labels": {EXCLUDE_LABEL: "true"}, **own}}) is not None, ""
    except (KubeForbidden, AdmissionDenied) as refused:
        return False, str(refused)
