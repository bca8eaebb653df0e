"""`make wheel-smoke`: the built wheel, installed outside the checkout, without and with its extra.

pip installs the base, and uv tool the extra; pipx does what the two do. Needs a package index.
"""

import json
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = ROOT / ".venv" / "bin" / "uv"
NEVER = ("moto", "samtranslator", "starlette", "uvicorn", "trustme", "awslambdaric")
NODE = """
apiVersion: v1
kind: Node
metadata: {name: n1}
spec: {providerID: aws:///eu-west-1a/i-0123456789abcdef0}
"""
WITHIN_S = 60


def checked(command, **options):
    """Its stdout; an AssertionError with all it printed unless it exits with 0."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def outside(tmp_path_factory):
    """A folder outside the checkout, with nothing of it on any path."""
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="session")
def wheel(outside):
    """The built wheel."""
    checked([UV, "build", "--quiet", "--wheel", "--out-dir", outside / "dist", ROOT])
    (built,) = (outside / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="session")
def environment(outside):
    """Of every command: no PYTHONPATH, a home and a TMPDIR of its own."""
    others = ("PYTHON", "VIRTUAL_ENV", "AWS_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(others)}
    for name in ("home", "tmp"):
        (outside / name).mkdir()
    tools = {"UV_TOOL_DIR": str(outside / "tools"), "UV_TOOL_BIN_DIR": str(outside / "bin")}
    return {**kept, **tools, "HOME": str(outside / "home"), "TMPDIR": str(outside / "tmp"), "NO_COLOR": "1"}


class Installed:
    """A command in an environment of its own; runs in an empty folder."""

    def __init__(self, python, command, folder, environment):
        self.python, self.command, self._environment = python, command, environment
        self._folder = folder

    def run(self, *arguments):
        """Exit status, stdout and stderr."""
        command = list(map(str, [self.command, *arguments]))
        done = subprocess.run(
            command, cwd=self._folder, env=self._environment, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="session")
def base(wheel, outside, environment):
    """pip install WHEEL."""
    place = outside / "base"
    checked([sys.executable, "-m", "venv", place])
    checked(
        [place / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", wheel], env=environment
    )
    return Installed(place / "bin" / "python", place / "bin" / "stepdrain", outside / "home", environment)


@pytest.fixture(scope="session")
def extra(wheel, outside, environment):
    """uv tool install WHEEL[sandbox]."""
    where = f"stepdrain[sandbox] @ {wheel.as_uri()}"
    checked([UV, "tool", "install", "--quiet", "--python", sys.executable, where], env=environment)
    python = outside / "tools" / "stepdrain" / "bin" / "python"
    return Installed(python, outside / "bin" / "stepdrain", outside / "home", environment)


@pytest.fixture(scope="session")
def kubeconfig(extra, outside, environment):
    """An emulated cluster with one node, served by the installed extra."""
    (outside / "node.yaml").write_text(NODE)
    file = outside / "kubeconfig"
    options = ["--port", "0", "--token", "smoke", "--kubeconfig-out", file, "--load", outside / "node.yaml"]
    command = list(map(str, [extra.python, "-m", "stepdrain_sandbox.kube", *options]))
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as server:
        until = time.monotonic() + WITHIN_S
        while not file.exists() and time.monotonic() < until and server.poll() is None:
            time.sleep(0.1)
        assert file.exists(), "The emulator does not come up."
        yield file
        server.terminate()


def test_its_packages_have_names_of_their_own(wheel):
    """Nothing generic lands in somebody's site-packages."""
    with zipfile.ZipFile(wheel) as archive:
        top = {name.split("/")[0] for name in archive.namelist()}
    assert all(name.startswith("stepdrain") for name in top), top


def test_the_base_has_no_embedded_world(base):
    """An operator's environment stays small."""
    program = "import importlib.util as u, sys; print([n for n in sys.argv[1:] if u.find_spec(n)])"
    assert checked([base.python, "-c", program, *NEVER]).strip() == "[]"


@pytest.mark.parametrize("installed", ["base", "extra"])
def test_every_command_is_there(installed, request):
    """With its help, its version, and the completion that a shell reads."""
    made = request.getfixturevalue(installed)
    assert made.run("--version")[1].startswith("stepdrain, version ")
    status, text, _ = made.run("--help")
    assert status == 0
    names = re.findall(r"^  ([a-z]\S*)", text.split("Commands:")[1], re.MULTILINE)
    assert "run" in names
    for name in names:
        status, shown, problem = made.run(name, "--help")
        assert status == 0, problem
        assert shown.startswith(f"Usage: stepdrain {name}")
    assert "_STEPDRAIN_COMPLETE" in made.run("completion", "zsh")[1]
    assert made.run("runbook", "DrainRefused")[1].startswith("### DrainRefused\n")


def test_the_base_plans_and_drains(base, kubeconfig, outside):
    """By its own state machine, on a cluster of somebody else's."""
    status, planned, problem = base.run("plan", "n1", "--kubeconfig", kubeconfig)
    assert status == 0, problem
    assert "0 of 0 pods would leave n1" in planned
    status, text, problem = base.run(
        "run", "i-0123456789abcdef0", "--kubeconfig", kubeconfig, "--out", outside / "out"
    )
    assert status == 0, problem
    assert json.loads(text)["outcome"] == "drained"
    made = base.run(
        "report", "--from-file", outside / "out" / "history.json", "--out", outside / "report.html"
    )
    assert made[0] == 0, made[2]
    assert (outside / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("command", ["list", "doctor"])
def test_the_base_says_how_to_get_the_sandbox(base, command):
    """One sentence with the line to type."""
    status, _, said = base.run(command, "--sandbox")
    assert status == 2
    assert (
        said.splitlines()[-1]
        == "Error: The embedded world is not installed: pip install 'stepdrain[sandbox]'"
    )


@pytest.mark.parametrize("command", ["list", "doctor"])
def test_the_extra_has_the_sandbox(extra, command):
    """doctor --sandbox once died for want of kubernetes/rbac.yaml."""
    status, shown, said = extra.run(command, "--sandbox")
    assert status in (0, 1), said
    assert "ip-" in shown or "workers" in shown


def test_the_base_prints_what_the_cluster_needs(base):
    """Whoever has the wheel has no kubernetes/ to apply."""
    status, shown, said = base.run("manifests", "rbac", "force")
    assert status == 0, said
    assert "name: stepdrain-evict" in shown
    assert "name: stepdrain-force" in shown


def test_nothing_is_left_behind(base, extra, outside):
    """Private keys, certificates, folders."""
    left = [path.name for path in (outside / "tmp").iterdir()]
    assert left == []
