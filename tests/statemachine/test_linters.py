"""The linters from npm that make lint-template runs on the rendered state machines."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINTERS = ROOT / "statemachine" / "linters"
MACHINES = sorted((ROOT / "statemachine").glob("*.asl.json"))
INSTALLED = shutil.which("node") is not None and (LINTERS / "node_modules").exists()


def test_both_are_pinned_and_run_by_the_target_that_checks_the_template() -> None:
    """A linter that nobody runs finds nothing."""
    wanted = json.loads((LINTERS / "package.json").read_text())["dependencies"]
    assert set(wanted) == {"asl-validator", "amazon-states-language-service"}
    pinned = json.loads((LINTERS / "package-lock.json").read_text())["packages"]
    assert all(pinned[f"node_modules/{name}"]["version"] == version for name, version in wanted.items())
    target = (ROOT / "Makefile").read_text().split("\nlint-template:")[1].split("\n\n")[0]
    assert "lint.mjs statemachine/*.asl.json" in target


@pytest.mark.parametrize("machine", MACHINES, ids=lambda path: path.stem)
def test_every_placeholder_is_one_that_they_are_given_a_value_for(machine: Path) -> None:
    """Unfilled, it would be judged as a text, and a wrong ARN beside it would not be seen."""
    assert MACHINES
    for name in re.findall(r"\$\{(\w+)\}", machine.read_text()):
        assert name == "Partition" or name.endswith("Arn")


@pytest.mark.skipif(not INSTALLED, reason="make lint-template has not installed them here")
@pytest.mark.parametrize(
    ("wrong", "said"),
    [(('"Next": "Cordon"', '"Next": "Cordn"'), "Cordn"), (("MaxAttempts", "MaxAttemps"), "supported")],
)
def test_they_find_what_is_wrong(tmp_path: Path, wrong: tuple[str, str], said: str) -> None:
    """A state that is not there, and a field that does nothing."""
    broken = tmp_path / "broken.asl.json"
    broken.write_text((ROOT / "statemachine" / "drain_node.asl.json").read_text().replace(*wrong))
    run = subprocess.run(["node", LINTERS / "lint.mjs", broken], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert said in run.stdout
