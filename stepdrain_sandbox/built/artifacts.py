"""Builds what would be deployed, once for its sources, and finds an interpreter that can run it.

Needs Linux, as Lambda is: the layer's compiled modules run nowhere else.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from layer import build
from stepdrain_sandbox.aws.deploy import ROOT

SOURCES = ("layer", "functions")
OLD_S = 3600
RUNTIME_PACKAGES = ("awslambdaric", "simplejson", "snapshot-restore-py", "boto3", "botocore", "s3transfer")
"""What the Lambda runtime has and the layer does not: its own client, and boto3."""


@dataclass(frozen=True)
class Built:
    """What was built: directories of the layer and of two functions, and how to run it."""

    layer: Path
    function: Path
    another_function: Path
    said: str
    """What the build wrote to stdout."""
    interpreter: str
    runtime: Path
    """Stands for what AWS puts into the runtime."""

    def command(self, handler: str) -> list[str]:
        # -S: no site-packages, so that a package this machine has cannot stand in for a missing one.
        return [self.interpreter, "-S", "-m", "awslambdaric", handler]

    def environment(self, layer: Path | None = None) -> dict[str, str]:
        """Of a function's process: the path in Lambda's order, and no real credentials."""
        path = [self.function, (layer or self.layer) / "python", self.runtime]
        return {
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
            # Nothing listens there, so every AWS request fails at once.
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "STEPDRAIN_CLUSTER": "demo",
        }


def possible() -> bool:
    """Whether this machine can run what is built."""
    return sys.platform.startswith("linux")


def made() -> Built:
    """Made by the Makefile targets that `sam build` calls, or taken from an earlier run."""
    version, interpreter = _interpreter()
    directory = ROOT / "build" / "packaging" / f"{version}-{_digest()}"
    with _locked(ROOT / "build" / "packaging.lock"):
        if not (directory / "said").exists():
            _forget_old_builds(directory.parent)
            shutil.rmtree(directory, ignore_errors=True)
            _build(directory, version, interpreter)
    parts = [directory / name for name in ("DependencyLayer", "CordonFunction", "LabelFunction")]
    return Built(*parts, (directory / "said").read_text(), interpreter, directory / "runtime")


def _forget_old_builds(directory: Path) -> None:
    # Not the newer ones: another run may be using them.
    for old in directory.glob("*"):
        if time.time() - old.stat().st_mtime > OLD_S:
            shutil.rmtree(old)


def _interpreter() -> tuple[str, str]:
    # The runtime's own version proves the very files that are deployed. Where it is not at hand,
    # the same build is made for this interpreter.
    if found := build.runtime_interpreter():
        return build.RUNTIME, found
    return f"{sys.version_info.major}.{sys.version_info.minor}", sys.executable


def _digest() -> str:
    digest = hashlib.sha256()
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # Two processes must not build at once.
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(directory: Path, version: str, interpreter: str) -> None:
    said = [
        _make("DependencyLayer", "layer", directory, version),
        _make("CordonFunction", "functions", directory, version),
        _make("LabelFunction", "functions", directory, version),
    ]
    _install_runtime(directory / "runtime", version, interpreter)
    (directory / "said").write_text("".join(said))


def _install_runtime(runtime: Path, version: str, interpreter: str) -> None:
    pinned = [f"{package}=={importlib.metadata.version(package)}" for package in RUNTIME_PACKAGES]
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--only-binary=:all:", "--no-compile", f"--python-version={version}"),
        *(f"--platform={name}_x86_64" for name in build.PLATFORMS),
        *(f"--platform={name}_aarch64" for name in build.PLATFORMS),
        *(f"--target={runtime}", *pinned),
    ]
    subprocess.run(
        command, check=True, capture_output=True, env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    )
    # Assumed of the Lambda runtime, too: without bytecode each cold start would compile botocore.
    options = ["-q", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([interpreter, "-m", "compileall", *options, str(runtime)], check=True)


def _make(resource: str, source: str, directory: Path, version: str) -> str:
    """As SAM does it: in a copy of the resource's directory, with ARTIFACTS_DIR."""
    output = directory / resource
    output.mkdir(parents=True)
    with TemporaryDirectory() as scratch:
        shutil.copytree(ROOT / source, scratch, dirs_exist_ok=True)
        return subprocess.run(
            ["make", "--silent", "--makefile", str(ROOT / "layer" / "Makefile"), f"build-{resource}"],
            cwd=scratch,
            env={
                **os.environ,
                "ARTIFACTS_DIR": str(output),
                "PYTHON": sys.executable,
                "PYTHON_VERSION": version,
            },
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
