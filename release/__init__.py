"""Builds a release from a commit: the packages, with checksums, licences and a bill of materials.

    python -m release VERSION --out dist

Building the same commit twice gives the same bytes (docs/decisions/0076-releases.md).
"""
