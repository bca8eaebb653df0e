"""Reproducible archives: sorted names, a fixed modification time, plain permissions."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path

OLDEST_ZIP_S = 315_532_800
"""1980-01-01, the earliest time that a zip file can hold."""


def files_below(directory: Path) -> list[Path]:
    """All files below ``directory``, sorted by path."""
    return sorted(path for path in directory.rglob("*") if path.is_file())


def write_zip(target: Path, directory: Path, epoch_s: int) -> None:
    """Zip all files below ``directory``, each with the modification time ``epoch_s`` and mode 0644."""
    moment = datetime.fromtimestamp(max(epoch_s, OLDEST_ZIP_S), UTC).timetuple()[:6]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in files_below(directory):
            entry = zipfile.ZipInfo(path.relative_to(directory).as_posix(), moment)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_bytes())


def write_tar(target: Path, directory: Path, epoch_s: int) -> None:
    """As ``write_zip``, but a .tar.gz; ``directory`` itself is the only folder at the archive's root."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in files_below(directory):
            entry = tarfile.TarInfo(f"{directory.name}/{path.relative_to(directory).as_posix()}")
            entry.size, entry.mtime, entry.mode = path.stat().st_size, epoch_s, 0o644
            archive.addfile(entry, io.BytesIO(path.read_bytes()))
    target.write_bytes(gzip.compress(packed.getvalue(), mtime=epoch_s))


def normalise_tar(path: Path, epoch_s: int) -> None:
    """Rewrite a .tar.gz with a fixed modification time; an sdist has the times of the checkout's files."""
    packed = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for entry in sorted(filter(tarfile.TarInfo.isfile, old.getmembers()), key=attrgetter("name")):
            content = old.extractfile(entry)
            plain = tarfile.TarInfo(entry.name)
            plain.size, plain.mtime, plain.mode = entry.size, epoch_s, 0o644
            new.addfile(plain, content)
    path.write_bytes(gzip.compress(packed.getvalue(), mtime=epoch_s))


def sha256(path: Path) -> str:
    """The file's SHA-256, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_sums(directory: Path) -> Path:
    """SHA256SUMS of all files in ``directory``, as ``sha256sum --check`` reads it."""
    target = directory / "SHA256SUMS"
    target.unlink(missing_ok=True)
    lines = [f"{sha256(path)}  {path.relative_to(directory).as_posix()}" for path in files_below(directory)]
    target.write_text("\n".join(lines) + "\n")
    return target
