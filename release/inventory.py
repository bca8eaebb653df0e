"""The bill of materials of the layer and of the command line, and the licence texts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)", re.M)
LICENCE = re.compile(r"\.dist-info/(?:licenses/)?(?:.*/)?(?:LICEN[CS]E|COPYING|NOTICE)[^/]*$", re.I)


def write_bill(requirements: Path, target: Path, name: str, version: str) -> None:
    """A reproducible CycloneDX bill (JSON) of what ``requirements`` pins, a lock file with hashes."""
    command = [
        sys.executable,
        "-m",
        "cyclonedx_py",
        "requirements",
        str(requirements),
        "--output-reproducible",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    bill = json.loads(done.stdout)
    bill.setdefault("metadata", {})["component"] = {
        "type": "application",
        "bom-ref": name,
        "name": name,
        "version": version,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    target.write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n")


def pinned(requirements: Path) -> dict[str, str]:
    """The versions that a lock file pins, by package name."""
    return {found["name"]: found["version"] for found in PINNED.finditer(requirements.read_text("utf-8"))}


def write_licences(layer: Path, target: Path) -> None:
    """Write the licence texts of all distributions in the layer's zip into ``target``."""
    with zipfile.ZipFile(layer) as archive:
        texts = {name: archive.read(name).decode("utf-8", "replace") for name in sorted(archive.namelist())
                 if LICENCE.search(name)}  # fmt: skip
    parts = [
        f"{'=' * 80}\n{name.removeprefix('python/')}\n{'=' * 80}\n{text}" for name, text in texts.items()
    ]
    target.write_text("\n".join(parts))
