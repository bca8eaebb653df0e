"""A command line that answers at once: what a command loads, counted in modules and not in seconds."""

import json
import pkgutil
import subprocess
import sys

import pytest

from stepdrain_cli import commands
from stepdrain_cli.__main__ import SUMMARIES
from tests.cli.api_stub import serving

HEAVY = {
    "aws_lambda_powertools", "boto3", "botocore", "jinja2", "jsonschema", "kubernetes", "moto", "rich",
    "samtranslator", "starlette", "stepdrain_sandbox", "uvicorn", "yaml",
}  # fmt: skip
"""Packages that take long to load, or that the base installation does not have."""
PROGRAM = """
import json, sys
from stepdrain_cli.__main__ import main
sys.argv = ["stepdrain", *json.loads(sys.argv[1])]
try:
    main()
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def loaded(*arguments):
    """The top-level packages that a command in a process of its own has loaded when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(arguments)], capture_output=True, text=True, check=False
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], []])
def test_asking_for_help_loads_no_command(arguments):
    """It is typed to look something up, and must answer while a finger is still on the key."""
    assert loaded(*arguments) & HEAVY == set()


def test_a_plan_loads_what_it_asks_with_and_no_more(tmp_path):
    """It asks a cluster, and neither AWS nor an embedded world."""
    with serving(tls=False) as api:
        named = {"name": "c", "cluster": {"server": api.url}}
        contexts = [{"name": "c", "context": {"cluster": "c"}}]
        config = {"current-context": "c", "contexts": contexts, "clusters": [named]}
        (tmp_path / "config").write_text(json.dumps(config))
        found = loaded("plan", "n1", "--kubeconfig", str(tmp_path / "config"))
        assert len(api.requests) >= 1
    assert "kubernetes" in found
    # The functions' logger loads botocore, for its user agent.
    needed = {"aws_lambda_powertools", "botocore", "jsonschema", "kubernetes", "rich", "yaml"}
    assert found & (HEAVY - needed) == set()


def test_every_command_has_its_line_in_the_help():
    """The lines stand in a table, because the commands are not imported for them."""
    modules = {name.replace("_", "-") for _, name, _ in pkgutil.iter_modules(commands.__path__)}
    assert modules - {"options"} == set(SUMMARIES)
