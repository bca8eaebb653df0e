"""What a maintainer needs of one drain, as one zip file, without secrets."""

from __future__ import annotations

import io
import json
import platform
import zipfile
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from stepdrain import VERSION

from stepdrain_cli.bundles.redaction import Redaction, summary

Json = dict[str, Any]
PACKAGES = ("kubernetes", "boto3", "urllib3", "aws-lambda-powertools", "jsonschema")
MESSAGE = """\
What happened in one drain, for a report to the project.

history.json   every event of the execution, as `stepdrain report --from-file` reads it
status.json    how the drain stood
doctor.json    what protects each group of the cluster, or why that could not be seen
versions.json  of Stepdrain, Python and what it stands on

Names of nodes, pods and groups are left in, since a drain cannot be understood without them. Look through the
files before you attach them. Removed:
"""


def versions() -> Json:
    """Of this program, of Python, and of the packages it stands on."""
    return {"stepdrain": VERSION, "python": platform.python_version(), "system": platform.system(),
            **{name: _version(name) for name in PACKAGES}}  # fmt: skip


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def attempted(look: Callable[[], Json], *refusals: type[Exception]) -> Json:
    """What ``look`` finds, or the sentence why it found nothing: a bundle without one part is still one."""
    try:
        return look()
    except refusals as error:
        return {"notAvailable": str(error)}


def write(target: Path, parts: Mapping[str, Any]) -> Redaction:
    """Write the JSON ``parts`` by name, redacted; result and README.txt count what was removed.

    Raises OSError if ``target`` cannot be written; no half of a file is left there then.
    """
    redaction = Redaction()
    texts = {name: json.dumps(redaction.document(part), indent=2) for name, part in parts.items()}
    listed = "".join(f"  {line}\n" for line in summary(redaction.removed))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {"README.txt": MESSAGE + listed, **texts}.items():
            archive.writestr(name, text)
    try:
        target.write_bytes(made.getvalue())
    except OSError:
        # A device or a pipe is somebody else's.
        if target.is_file():
            target.unlink()
        raise
    return redaction
