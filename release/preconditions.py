"""The conditions for building a release; each refusal is a sentence that says what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from stepdrain import VERSION

SEMVER = re.compile(r"\d+\.\d+\.\d+(?:rc\d+)?")
"""Versions that PEP 440 and SemVer read alike, except for the dash before ``rc``."""


class Refused(Exception):
    """The release is not built; the message says why and what to do."""


def check(version: str, root: Path) -> str:
    """The CHANGELOG section of ``version``; raises Refused if the tree at ``root`` is not ready."""
    if not SEMVER.fullmatch(version):
        raise Refused(f"{version!r} is not a version: write it as 1.2.3 or 1.2.3rc1.")
    if version != VERSION:
        raise Refused(
            f"The code says {VERSION}, not {version}: set it in functions/stepdrain/__init__.py and commit."
        )
    changed = _git(root, "status", "--porcelain")
    if changed:
        raise Refused(
            f"The tree has uncommitted changes ({changed.splitlines()[0].strip()}, …): commit them."
        )
    if f"v{version}" in _git(root, "tag", "--list", f"v{version}").split():
        raise Refused(f"Version {version} exists already (tag v{version}): choose the next one.")
    return changelog_section(root / "CHANGELOG.md", version)


def changelog_section(changelog: Path, version: str) -> str:
    """The text below ``## <version>`` of a Keep-a-Changelog file; raises Refused if it is missing."""
    found = re.search(
        rf"^## \[?{re.escape(version)}\]?[^\n]*\n(.*?)(?=^## |\Z)", changelog.read_text("utf-8"), re.M | re.S
    )
    if found is None or not found[1].strip():
        raise Refused(
            f"CHANGELOG.md has no section for {version}: rename Unreleased to "
            f'"## {version} - <date>" and open a new Unreleased above it.'
        )
    return found[1].strip()


def commit_time(root: Path) -> int:
    """The commit time of HEAD in epoch seconds: the modification time in all archives."""
    return int(_git(root, "log", "-1", "--format=%ct"))


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()
