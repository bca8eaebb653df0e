"""docs/on-call.md, typed from top to bottom: what a reader sees is what the page shows.

``python -m tests.cli.test_on_call`` writes the page's blocks again.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from stepdrain_cli.__main__ import cli
from stepdrain_sandbox.examples.incidents import incidents
from tests.cli.accounts import Typist

PAGE = Path(__file__).parents[2] / "docs" / "on-call.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
MASKS = (
    (r"(?m)^ *\d+\.\d+s", "AT"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"(\d+ (h|min|s)\b ?)+", "SOME TIME "),
    (r"\b\d+s\b", "AGE"),
    (r"-[0-9a-f]{8}(?=/|\n|$)|-manual-\d{8}T\d{6}Z|-[a-z0-9]{5}(?=[:; ]|$)", "-RANDOM"),
    (r"attempt \d+", "attempt N"),
    (r" +", " "),
)  # fmt: skip


class Shell:
    """Types a line of the page: our command in this process, what kubectl does to the cluster directly."""

    def __init__(self, world, monkeypatch, tmp_path):
        self.world, self.type = world, Typist(world, monkeypatch, {})
        self.type.plain = True
        monkeypatch.chdir(tmp_path)

    def __call__(self, line):
        program, *arguments = shlex.split(line)
        if program == "stepdrain":
            self.type(*arguments)
            return self.type.shown.replace("NOTE\n", "").replace(" --sandbox", "")
        assert program == "kubectl", line
        return getattr(self, f"_{arguments[0]}")(*arguments[1:])

    def _delete(self, _kind, name):
        self.world.kube.cluster.remove("Pod", name, "default")
        return f'pod "{name}" deleted\n'

    def _get(self, _kind, name):
        found = self.world.kube.cluster.get("PodDisruptionBudget", name, "default")
        allowed = found["status"]["disruptionsAllowed"]
        head = "NAME        MIN AVAILABLE   MAX UNAVAILABLE   ALLOWED DISRUPTIONS   AGE"
        row = f"{name}   N/A             {found['spec']['maxUnavailable']}                 {allowed}"
        return f"{head}\n{row}                     15s\n"

    def _patch(self, _kind, name, _option, patch):
        import json

        self.world.kube.cluster.change("PodDisruptionBudget", name, "default", json.loads(patch))
        return f"poddisruptionbudget.policy/{name} patched\n"


def masked(text):
    for pattern, name in MASKS:
        text = re.sub(pattern, name, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def played(shell, block):
    """The block as it would be printed: each command, and what it answers."""
    lines = []
    for line in block.splitlines():
        if line.startswith("$ "):
            lines += [line, *shell(line.removeprefix("$ ")).splitlines()]
    return lines


def fits(shown, said):
    """Whether the page shows what was said; a line ``...`` stands for any lines."""
    if not shown:
        return not said
    if shown[0] == "...":
        return any(fits(shown[1:], said[number:]) for number in range(len(said) + 1))
    return bool(said) and shown[0] == said[0] and fits(shown[1:], said[1:])


def test_the_story_can_be_typed_from_top_to_bottom(monkeypatch, tmp_path):
    """To the letter, but for times and what is drawn at random."""
    with incidents() as world:
        shell = Shell(world, monkeypatch, tmp_path)
        for block in BLOCK.findall(PAGE.read_text()):
            said = masked("\n".join(played(shell, block)))
            assert fits(masked(block), said), "\n".join(["The page:", *masked(block), "Said:", *said])
        drained = [execution for execution in world.executions() if execution["status"] == "SUCCEEDED"]
        assert len(drained) == len(world.executions()) == 4
    assert (tmp_path / "night.html").exists()


def test_every_command_of_the_story_is_one_of_ours():
    """A renamed command would not be found by masks."""
    typed = re.findall(r"^\$ stepdrain (\S+)", PAGE.read_text(), re.MULTILINE)
    assert len(typed) >= 8
    assert {name for name in typed if cli.get_command(None, name) is None} == set()


def test_a_sandbox_can_be_worked_with_by_other_processes():
    """A shell's command reaches the account and the cluster by what the session put into its environment."""
    script = f"{sys.executable} -m stepdrain_cli list && kubectl get nodes --output name"
    done = subprocess.run(
        [sys.executable, "-m", "stepdrain_cli", "sandbox", "sh", "-c", script],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["NODE", "INSTANCE", "STATUS", "STATE", "AGE", "TOOK"]
    assert [line.split()[2] for line in lines[1:4]] == ["RUNNING", "FAILED", "SUCCEEDED"]
    assert "node/ip-10-220-128-174.ec2.internal" in lines


def write():
    """Write the page's blocks again, whole: cut what nobody reads to ``...`` afterwards."""
    with incidents() as world, pytest.MonkeyPatch.context() as patch:
        shell, here = Shell(world, patch, Path("/tmp")), PAGE.resolve()
        text = here.read_text()
        blocks = [f"```console\n{chr(10).join(played(shell, block))}\n```" for block in BLOCK.findall(text)]
        fresh = iter(blocks)
        here.write_text(BLOCK.sub(lambda _: next(fresh), text))


if __name__ == "__main__":
    write()
