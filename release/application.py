"""The application in a form that CloudFormation deploys from a bucket, without SAM or Python.

SAM's transform takes code, layers and definitions from ``{Bucket, Key}`` as well as from a folder
(https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-property-function-functioncode.html),
so only the paths of the artefacts change in the template: parameters name the bucket and the prefix.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from release.archives import sha256, write_zip

LOCAL = re.compile(
    r"^(?P<indent> +)(?P<key>CodeUri|ContentUri|DefinitionS3Location): (?P<path>[\w./-]+)$", re.M
)
METADATA = re.compile(
    r"^(?P<indent> +)Metadata:"
    r"(?: \{BuildMethod: .*\}\n|\n(?:(?P=indent)  (?:BuildMethod|ContextPath|cfn-lint): .*\n)+)",
    re.M,
)
PARAMETERS = """\
  ArtifactBucket:
    Type: String
    Description: Bucket, in this region, that holds the release's artefacts.
    MinLength: 3
  ArtifactPrefix:
    Type: String
    Description: Prefix of the artefacts' keys in the bucket, ending in a slash; may be empty.
    Default: ""
    AllowedPattern: ^$|^[^/].*/$
    ConstraintDescription: It is empty, or it ends in a slash and does not begin with a slash.
"""


def write_application(root: Path, target: Path, epoch_s: int) -> None:
    """Write ``target``/template.yaml, and beside it its artefacts, each with a part of its hash in the name.

    ``root`` is the checkout, ``epoch_s`` the modification time in the archives.
    """
    target.mkdir(parents=True)
    template = (root / "template.yaml").read_text("utf-8")
    template = METADATA.sub("", template)
    for path in sorted({found["path"] for found in LOCAL.finditer(template)}):
        name = _artifact(root / path, target, epoch_s, root)
        template = pointed(template, path, name)
    (target / "template.yaml").write_text(with_parameters(template))


def _artifact(source: Path, target: Path, epoch_s: int, root: Path) -> str:
    if source.is_file():
        named, suffix = source.stem.removesuffix(".asl"), ".asl.json"
        made = target / f"{named}-unnamed{suffix}"
        made.write_bytes(source.read_bytes())
    else:
        named, suffix = source.name, ".zip"
        made = target / f"{named}-unnamed{suffix}"
        with TemporaryDirectory() as built:
            build = [sys.executable, str(root / "layer" / "build.py"), named, str(source), built]
            subprocess.run(build, check=True, stdout=sys.stderr)
            write_zip(made, Path(built), epoch_s)
    final = f"{named}-{sha256(made)[:12]}{suffix}"
    made.rename(target / final)
    return final


def pointed(template: str, path: str, name: str) -> str:
    """The template with the key ``name`` in the bucket in place of the local ``path``."""

    def in_bucket(found: re.Match[str]) -> str:
        if found["path"] != path:
            return found[0]
        indent = found["indent"]
        return (
            f"{indent}{found['key']}:\n{indent}  Bucket: !Ref ArtifactBucket\n"
            f"{indent}  Key: !Sub ${{ArtifactPrefix}}{name}"
        )

    return LOCAL.sub(in_bucket, template)


def with_parameters(template: str) -> str:
    """The template with the parameters that name the artefacts' bucket and prefix."""
    return template.replace("\nParameters:\n", f"\nParameters:\n{PARAMETERS}\n", 1)
