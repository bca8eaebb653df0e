"""What is in the archives that are deployed: small, pruned, compiled, the same for every function."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from layer import build
from stepdrain_sandbox.aws.deploy import ROOT
from stepdrain_sandbox.built.artifacts import Built

CONSOLE_LIMIT_BYTES = 3_000_000
"""Larger code is not shown in the Lambda console
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""
UNCHECKED_HASH = 1
"""Second word of a .pyc: by hash, and not checked against the source (PEP 552)."""


def contents(directory: Path) -> dict[str, bytes]:
    """Every file by its path."""
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def compiled(built: Built) -> bool:
    """Whether a python of the runtime's version was there."""
    return "NO bytecode" not in built.said


def test_the_layer_is_under_thirty_megabytes(built: Built) -> None:
    """Size is cold start: Lambda loads the layer before the first line runs."""
    assert build.size(built.layer) < 30_000_000


def test_the_code_can_be_read_in_the_lambda_console(built: Built, tmp_path: Path) -> None:
    """At three in the morning somebody looks there first."""
    archive = shutil.make_archive(str(tmp_path / "code"), "zip", built.function)
    assert Path(archive).stat().st_size < CONSOLE_LIMIT_BYTES


def test_all_functions_share_one_archive(built: Built) -> None:
    """SAM uploads by content: equal directories are one archive, and one thing to review."""
    assert contents(built.function) == contents(built.another_function)


def test_the_code_archive_holds_the_two_packages_and_nothing_else(built: Built) -> None:
    """What lies about in a developer's tree must not be deployed."""
    assert {path.name for path in built.function.iterdir()} == {"stepdrain"}


def test_compiled_modules_are_there_for_both_processors(built: Built) -> None:
    """One layer serves arm64 and x86_64: the template chooses at deployment, not at build time."""
    modules = [path.name for path in built.layer.rglob("*.so")]
    of_processor = {name: {m.split(".")[0] for m in modules if name in m} for name in build.PROCESSORS}
    assert of_processor["aarch64"] == of_processor["x86_64"] != set()


def test_no_tests_and_no_models_are_in_the_layer(built: Built) -> None:
    """Nobody imports them, and they are half of what the wheels hold."""
    python = built.layer / "python"
    assert not [path for path in python.rglob("*") if path.name in ("tests", "test")]
    assert [path.name for path in (python / "kubernetes/client/models").glob("*.py")] == ["__init__.py"]


def test_every_licence_stays_in_the_layer(built: Built) -> None:
    """Most licences demand that their text goes with the code."""
    packages = list((built.layer / "python").glob("*.dist-info"))
    assert len(packages) > 10
    bare = [p.name for p in packages if not list(p.rglob("LICEN[SC]E*")) and not list(p.rglob("COPYING*"))]
    # These wheels carry their licence as a field of METADATA alone.
    assert all("License" in (built.layer / "python" / name / "METADATA").read_text() for name in bare)


def test_every_module_is_compiled_and_never_checked_against_its_source(built: Built) -> None:
    """Zipping changes times, so that bytecode checked by time would be thrown away at each cold start."""
    if not compiled(built):
        pytest.skip("There is no interpreter of the runtime's version, and the build says so.")
    for directory in (built.layer, built.function):
        for source in directory.rglob("*.py"):
            (pyc,) = (source.parent / "__pycache__").glob(f"{source.stem}.cpython-*.pyc")
            assert int.from_bytes(pyc.read_bytes()[4:8], "little") == UNCHECKED_HASH, source


def test_a_build_without_the_runtimes_interpreter_says_that_it_has_no_bytecode(tmp_path: Path) -> None:
    """Slow cold starts must not come as a surprise."""
    said = subprocess.run(
        [sys.executable, ROOT / "layer" / "build.py", "functions", ROOT / "functions", tmp_path],
        env={**os.environ, "PATH": "", "RUNTIME_PYTHON": str(tmp_path / "absent")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "NO bytecode: no python3.13 found" in said
    assert not list(tmp_path.rglob("*.pyc"))


def test_tracebacks_show_lambdas_paths(built: Built) -> None:
    """A path of the machine that built it would mislead whoever reads the log."""
    if not compiled(built):
        pytest.skip("There is no interpreter of the runtime's version, and the build says so.")
    (pyc,) = (built.function / "stepdrain" / "__pycache__").glob("errors.*.pyc")
    assert b"/var/task/stepdrain/errors.py" in pyc.read_bytes()


def test_the_layer_has_every_client_class_that_the_adapter_uses() -> None:
    """Another API would be missing only on Lambda; its name belongs into APIS in layer/build.py."""
    adapter = (ROOT / "functions" / "stepdrain" / "adapters" / "kube").glob("*.py")
    # What a person asks before a drain, on his own machine; no function calls it.
    modules = [module for module in adapter if module.name != "admission.py"]
    used = {
        node.attr
        for module in modules
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "client"
    }
    kept = {"".join(part.capitalize() for part in module.split("_")) for module in build.APIS}
    assert used - {"ApiClient", "Configuration"} <= kept
    assert "CoreV1Api" in used


def test_the_lock_pins_what_the_project_asks_for_and_leaves_boto3_to_the_runtime() -> None:
    """Tests run with pyproject.toml's versions, Lambda with the layer's: both obey the same ranges."""
    wanted = (ROOT / "layer" / "requirements.in").read_text().splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    ranges = {line for line in wanted if line and not line.startswith("#")}
    assert ranges <= set(project)
    locked = re.findall(r"^([a-z0-9-]+)==", (ROOT / "layer" / "requirements.txt").read_text(), re.MULTILINE)
    assert {re.split("[<>=]", line)[0] for line in ranges} - set(locked) == {"boto3"}
