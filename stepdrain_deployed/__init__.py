"""What is deployed, as files of the wheel: the template, the state machines, the RBAC manifests; the runbook.

The folder has the layout of the repository, which holds the files; here are symbolic links to them, and a
wheel has copies.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
TEMPLATE = FOLDER / "template.yaml"
MANIFESTS = FOLDER / "kubernetes"
RUNBOOK = FOLDER / "docs" / "operations.md"
DRAIN_NODE = FOLDER / "statemachine" / "drain_node.asl.json"
"""The rendered state machine in the Amazon States Language, with ``${…}`` placeholders as SAM takes it."""
ADMIT_NODE = FOLDER / "statemachine" / "admit_node.asl.json"
"""The state machine of arrivals, as above."""
