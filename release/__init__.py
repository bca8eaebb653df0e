"""One release from one commit: what people install, with sums, licences and a bill of materials.

    python -m release VERSION --out dist

Twice from the same commit gives the same bytes (docs/decisions/0076-releases.md).
"""
