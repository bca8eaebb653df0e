"""Build what Lambda gets: the functions' code, and the layer with everything that it imports.

SAM's own pip build needs an interpreter of the runtime's version, does not compile to
bytecode and cannot leave anything out. This build installs wheels for the target on any
machine, removes what no function needs, and adds bytecode if it finds a python3.13.
Without bytecode each cold start compiles every module again.

    python3 build.py layer <directory of requirements.txt> <output>
    python3 build.py functions <directory of the code> <output>

One layer serves both processors: compiled modules have the processor in their file names,
so both fit side by side. See docs/decisions/0005-layer.md.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

RUNTIME = os.environ.get("PYTHON_VERSION", "3.13")
"""Version of the Lambda runtime; only tests without a python3.13 use another."""
PROCESSORS = ("aarch64", "x86_64")
LIMIT_BYTES = 30_000_000

# Lambda's python3.13 runs on Amazon Linux 2023, whose C library is glibc 2.34.
PLATFORMS = ("manylinux2014", "manylinux_2_28", "manylinux_2_34")

APIS = ("core_v1_api", "apps_v1_api", "policy_v1_api", "storage_v1_api", "custom_objects_api")
"""Modules of kubernetes.client.api to keep: those that adapters.kube uses, or may use soon."""
UNUSED = (
    "bin",
    "**/tests",
    "kubernetes/**/*test*.py",
    "kubernetes/client/models/*.py",
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/utilities/data_classes",
    "aws_lambda_powertools/utilities/parser",
    "aws_lambda_powertools/utilities/idempotency",
    "aws_lambda_powertools/utilities/batch",
    "aws_lambda_powertools/utilities/kafka",
    # Optional speed-ups; both packages fall back to Python.
    "yaml/_yaml.*.so",
    "charset_normalizer/*.so",
)
"""Globs of what no function imports. dist-info is kept: it holds the licences."""


def build_layer(source: Path, output: Path) -> None:
    """Install, prune and compile the locked requirements of ``source`` into ``output``/python.

    Raises SystemExit with a sentence if pip fails or the layer is larger than LIMIT_BYTES.
    """
    python = output / "python"
    for processor in PROCESSORS:
        with TemporaryDirectory() as unpacked:
            install(source / "requirements.txt", processor, Path(unpacked))
            shutil.copytree(unpacked, python, dirs_exist_ok=True)
    prune(python)
    trim_client(python / "kubernetes" / "client")
    report("layer", output, compile_all(output, "/opt"))
    if size(output) > LIMIT_BYTES:
        raise SystemExit(f"The layer is over {LIMIT_BYTES / 1e6:.0f} MB; see UNUSED in layer/build.py.")


def build_functions(source: Path, output: Path) -> None:
    """Copy and compile the functions' code."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source / "stepdrain", output / "stepdrain", ignore=ignored, dirs_exist_ok=True)
    report("functions", output, compile_all(output, "/var/task"))


def install(requirements: Path, processor: str, target: Path) -> None:
    """Unpack the wheels of ``requirements`` for the runtime on ``processor``; their hashes are checked."""
    platforms = [f"--platform={platform}_{processor}" for platform in PLATFORMS]
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--require-hashes", "--no-deps", "--only-binary=:all:", "--no-compile", "--implementation=cp"),
        *(f"--python-version={RUNTIME}", *platforms, f"--target={target}", f"--requirement={requirements}"),
    ]
    # As root pip warns about broken system packages; this installs nothing into the system.
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    if subprocess.run(command, env=environment, check=False).returncode:
        raise SystemExit(f"pip could not install {requirements} for {processor}; its message is above.")


def prune(python: Path) -> None:
    """Remove the files that UNUSED matches."""
    for pattern in UNUSED:
        for path in list(python.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def trim_client(client: Path) -> None:
    """Remove the Kubernetes client's models, and all of its API modules but APIS.

    The client parses answers into models; stepdrain.adapters.kube reads JSON instead
    (``_preload_content=False``). Importing the models takes as much time and memory as everything else.
    """
    for module in (client / "api").glob("*_api.py"):
        if module.stem not in APIS:
            module.unlink()
    (client / "models" / "__init__.py").write_text('"""Left out of the layer: see layer/build.py."""\n')
    for imports in (client / "__init__.py", client / "api" / "__init__.py"):
        kept = [line for line in imports.read_text().splitlines() if _is_there(line, client)]
        imports.write_text("\n".join(kept) + "\n")


def _is_there(line: str, client: Path) -> bool:
    imported = re.match(r"from kubernetes\.client\.((?:api|models)\.\w+) import", line)
    return imported is None or client.joinpath(*imported[1].split(".")).with_suffix(".py").exists()


def compile_all(output: Path, installed_at: str) -> str | None:
    """Compile with the runtime's interpreter, and return its path; None if there is no such interpreter.

    unchecked-hash: zipping changes the modification times that other bytecode is checked against.
    Tracebacks show paths below ``installed_at``. A fixed hash seed makes the bytecode reproducible.
    """
    interpreter = runtime_interpreter()
    if interpreter:
        options = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-j", "2"]
        paths = ["-s", str(output), "-p", installed_at, str(output)]
        subprocess.run([interpreter, *options, *paths], check=True, env={**os.environ, "PYTHONHASHSEED": "0"})
    return interpreter


def runtime_interpreter() -> str | None:
    """A working interpreter of the runtime's version: RUNTIME_PYTHON, or python3.13 on PATH."""
    return next((python for python in _candidates() if _version(python) == RUNTIME), None)


def _candidates() -> Iterator[str]:
    if named := os.environ.get("RUNTIME_PYTHON"):
        yield named
    if found := shutil.which(f"python{RUNTIME}"):
        yield found
        # pyenv's shim runs only activated versions; the interpreters themselves are next to it.
        versions = Path(found).parent.parent / "versions"
        yield from map(str, sorted(versions.glob(f"{RUNTIME}.*/bin/python{RUNTIME}")))


def _version(python: str) -> str | None:
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        return subprocess.run(
            [python, "-c", question], capture_output=True, text=True, check=False
        ).stdout.strip()
    except OSError:
        return None


def size(directory: Path) -> int:
    """The bytes of all files below ``directory``, which Lambda limits to 250 MB."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def report(what: str, output: Path, interpreter: str | None) -> None:
    """Print the size of the result, and whether it has bytecode."""
    bytecode = f"bytecode by {interpreter}" if interpreter else f"NO bytecode: no python{RUNTIME} found"
    print(f"{what}: {size(output) / 1e6:.1f} MB unzipped, {bytecode}", flush=True)


def main(arguments: list[str]) -> None:
    """See the module's docstring."""
    builders = {"layer": build_layer, "functions": build_functions}
    what, source, output = arguments
    builders[what](Path(source), Path(output))


if __name__ == "__main__":
    main(sys.argv[1:])
