"""The same files give the same bytes, whenever and in whatever order they were written."""

import os
import subprocess
import tarfile

from release.archives import normalise_tar, sha256, write_sums, write_tar, write_zip


def folder(root, names):
    root.mkdir()
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def test_archives_are_the_same_bytes_each_time(tmp_path):
    """Sums can be compared only if nothing but the content counts."""
    first = folder(tmp_path / "a", ["x/one", "two"])
    (tmp_path / "other").mkdir()
    second = folder(tmp_path / "other" / "a", ["two", "x/one"])
    os.utime(second / "two", (1, 1))
    (second / "two").chmod(0o600)
    for write in (write_zip, write_tar):
        made = [tmp_path / f"{write.__name__}-{n}" for n in (1, 2)]
        write(made[0], first, 1_800_000_000)
        write(made[1], second, 1_800_000_000)
        assert made[0].read_bytes() == made[1].read_bytes()


def test_an_sdist_is_written_again_without_its_times(tmp_path):
    """setuptools packs the times of the checkout's files."""
    sums = set()
    for time_s in (100, 200):
        packed = tmp_path / "p.tar.gz"
        source = tmp_path / "p"
        source.mkdir(exist_ok=True)
        (source / "f").write_text("x")
        os.utime(source / "f", (time_s, time_s))
        with tarfile.open(packed, "w:gz") as archive:
            archive.add(source, "p")
        normalise_tar(packed, 1_800_000_000)
        sums.add(sha256(packed))
        with tarfile.open(packed) as archive:
            assert archive.getnames() == ["p/f"]
    assert len(sums) == 1


def test_sums_are_read_by_sha256sum(tmp_path):
    """People check what they downloaded with the tool they have."""
    root = folder(tmp_path / "d", ["one", "two"])
    write_sums(root)
    checked = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=root, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout) == (0, "one: OK\ntwo: OK\n")
    (root / "one").write_text("changed")
    assert subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=root, capture_output=True, check=False
    ).returncode
