"""``python -m release VERSION --out dist``: check, build, and tag the commit."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from stepdrain.reporting import links

from release.application import write_application
from release.archives import normalise_tar, write_sums, write_tar, write_zip
from release.inventory import write_bill, write_licences
from release.manifests import write_chart, write_plain
from release.preconditions import Refused, check, commit_time

ROOT = Path(__file__).resolve().parent.parent
UNPUBLISHED = """\
Messages of this release name `stepdrain runbook` and no page: functions/stepdrain/reporting/links.py has
no REPOSITORY. If the project is published, set it there, commit, and build again."""


def main(arguments: list[str]) -> int:
    """Build a release; returns the exit status: 0 if built, 2 if refused, with a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    parser.add_argument("version", help="as VERSION in functions/stepdrain/__init__.py")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "dist", help="folder of the artefacts (default: dist)"
    )
    parser.add_argument(
        "--trial", action="store_true", help="build without checking a release's conditions; set no tag"
    )
    options = parser.parse_args(arguments)
    try:
        notes = "A trial build." if options.trial else check(options.version, ROOT)
        epoch_s = commit_time(ROOT)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 2
    build(options.version, options.out, epoch_s, notes)
    if not links.REPOSITORY:
        print(UNPUBLISHED, file=sys.stderr)
    if not options.trial:
        subprocess.run(
            ["git", "tag", "--annotate", f"v{options.version}", "--message", notes], cwd=ROOT, check=True
        )
        print(f"Tagged v{options.version}. Next: git push origin v{options.version}")
    return 0


def build(version: str, out: Path, epoch_s: int, notes: str) -> None:
    """Write all files of the release into ``out``, which is emptied first."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / "RELEASE_NOTES.md").write_text(f"# Stepdrain {version}\n\n{notes}\n")
    _python_packages(out, epoch_s)
    with TemporaryDirectory() as made:
        application, manifests = Path(made, f"stepdrain-{version}"), Path(made, f"stepdrain-rbac-{version}")
        write_application(ROOT, application, epoch_s)
        write_zip(out / f"stepdrain-{version}.zip", application, epoch_s)
        write_plain(ROOT / "kubernetes", manifests)
        write_zip(out / f"stepdrain-rbac-{version}.zip", manifests, epoch_s)
        chart = Path(made, "chart", "stepdrain-rbac")
        write_chart(ROOT / "kubernetes", chart, version)
        write_tar(out / f"stepdrain-rbac-{version}.tgz", chart, epoch_s)
        (layer,) = application.glob("layer-*.zip")
        write_licences(layer, out / "LICENCES-layer.txt")
    write_bill(ROOT / "layer" / "requirements.txt", out / "sbom-layer.cdx.json", "stepdrain-layer", version)
    write_bill(ROOT / "requirements" / "run.txt", out / "sbom-cli.cdx.json", "stepdrain", version)
    print(f"{write_sums(out)}: {sum(1 for _ in out.iterdir())} files", file=sys.stderr)


def _python_packages(out: Path, epoch_s: int) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch_s)}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    for source in out.glob("*.tar.gz"):
        normalise_tar(source, epoch_s)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
