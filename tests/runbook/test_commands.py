"""The runbook's commands: each can be typed as it stands, and what a section says ends what it is about."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import botocore.session
import click
import pytest

from stepdrain_cli.__main__ import cli
from stepdrain_sandbox.workload import budget, cluster_workload, lone_pod
from stepdrain_sandbox.world import World
from tests.cli.accounts import Typist

ROOT = Path(__file__).parents[1]
PART = (ROOT / "docs" / "operations.md").read_text().split("## What an error means")[1].split("\n## ")[0]
SECTIONS = dict(re.findall(r"^#{3,4} (.+?)\n(.*?)(?=^#{3,4} |\Z)", PART, re.MULTILINE | re.DOTALL))
KUBECTL = {"get", "describe", "apply", "delete", "patch", "cordon"}
OF_THE_AWS_CLI = {"region", "profile", "output", "query", "latest"}
BLANKS = {"INSTANCE": "i-0123456789abcdef0"}


def commands(section):
    """The section's commands, each as its words; comments and continued lines are resolved."""
    text = "\n".join(re.findall(r"```sh\n(.*?)```", SECTIONS[section], re.DOTALL)).replace("\\\n", " ")
    lines = (shlex.split(line, comments=True) for line in text.splitlines())
    return [words for words in lines if words]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_has_commands_that_can_be_typed(section):
    """At 3 a.m. nobody should have to look up an option."""
    found = commands(section)
    assert found, "the section has no command"
    for words in found:
        {"stepdrain": ours, "aws": of_aws, "kubectl": of_kubectl, "sam": of_sam}[words[0]](words[1:])


def ours(words):
    name, *rest = (BLANKS.get(word, word) for word in words)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, f"there is no command {name}"
    command.make_context(name, rest, help_option_names=["-h", "--help"])


def of_aws(words):
    service, operation, *options = words
    model = botocore.session.get_session().get_service_model(service)
    names = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", one).lower(): one for one in model.operation_names}
    assert operation in names, f"aws {service} has no {operation}"
    shape = model.operation_model(names[operation]).input_shape
    members = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", one).lower() for one in shape.members}
    typed = {one.removeprefix("--") for one in options if one.startswith("--")}
    assert typed <= members | OF_THE_AWS_CLI, f"aws {service} {operation} has no {typed - members}"
    required = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", one).lower() for one in shape.required_members}
    assert required <= typed


def of_kubectl(words):
    assert words[0] in KUBECTL


def of_sam(words):
    assert words[0] in {"build", "deploy"}


@pytest.fixture
def kubeconfig(tmp_path):
    """Where kubectl finds the embedded cluster."""
    return tmp_path / "kubeconfig"


class Night:
    """Types a section's commands in a world, with its own names in the blanks."""

    def __init__(self, world, monkeypatch, kubeconfig, blanks):
        self.world, self.type, self.kubeconfig, self.blanks = (
            world,
            Typist(world, monkeypatch, {}),
            kubeconfig,
            blanks,
        )
        kubeconfig.write_text(world.kube.kubeconfig())

    def play(self, section, *, until=None):
        """Type the section's commands up to and including the first that begins with ``until``."""
        for words in commands(section):
            filled = [self._filled(word) for word in words]
            if words[0] == "stepdrain":
                self.type(*filled[1:])
            elif words[0] == "kubectl":
                done = subprocess.run(
                    [*filled, f"--kubeconfig={self.kubeconfig}"],
                    check=False, capture_output=True, text=True, timeout=30, cwd=ROOT,
                )  # fmt: skip
                assert done.returncode == 0, done.stderr
            self.world.pass_time(5)
            if until is not None and " ".join(words).startswith(until):
                return
        assert until is None, f"no command begins with {until}"

    def _filled(self, word):
        for blank, value in self.blanks.items():
            word = re.sub(rf"\b{blank}\b", value, word)
        return word


def failed(world, error):
    world.settle(within_s=7200)
    (execution,) = world.executions()
    assert (execution["status"], execution["error"]) == ("FAILED", error)
    (mail,) = world.aws.messages()
    assert f"Error:      {error}" in mail["Message"]


def drained(world):
    world.settle(within_s=7200)
    return world.executions()[-1]["status"] == "SUCCEEDED"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("until", ["stepdrain redrive NODE --watch", "stepdrain redrive NODE --policy"])
def test_a_refused_drain_ends_by_the_sections_commands(monkeypatch, kubeconfig, until):
    """Remove the pod and redrive; or change the policy of this drain."""
    with World(workload=cluster_workload, parameters={"EvictUnmanaged": "false"}) as world:
        instance, node = next(iter(world.instances.items()))
        world.kube.cluster.create(lone_pod("debug", node))
        world.pass_time(5)
        world.terminate(instance)
        failed(world, "DrainRefused")
        night = Night(world, monkeypatch, kubeconfig, {"NODE": node, "POD": "debug", "NAMESPACE": "default"})
        if "--policy" in until:
            night.type("redrive", node, "--policy", "evictUnmanaged=true")
        else:
            night.play("DrainRefused", until=until)
        assert drained(world)
        assert world.lifecycle_state(instance) == ""


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_a_drain_past_its_deadline_ends_by_the_sections_commands(monkeypatch, kubeconfig):
    """The budget is given room, and the redrive has a fresh deadline."""

    def workload(nodes):
        return [
            *(one for one in cluster_workload(nodes) if one["kind"] != "PodDisruptionBudget"),
            budget("default", "nginx", {"app": "nginx"}, 0),
        ]

    with World(workload=workload, parameters={"DrainTimeout": "600"}) as world:
        instance = max(world.instances, key=lambda one: len(world.pods_on(world.instances[one])))
        world.terminate(instance)
        failed(world, "DrainTimedOut")
        blanks = {"NODE": world.instances[instance], "BUDGET": "nginx", "NAMESPACE": "default"}
        Night(world, monkeypatch, kubeconfig, blanks).play(
            "DrainTimedOut", until="stepdrain redrive NODE --watch"
        )
        assert drained(world)


def test_a_stopped_drain_ends_by_the_sections_commands(monkeypatch, kubeconfig):
    """Somebody stopped it; the redrive goes on."""
    with World(workload=lambda nodes: [*cluster_workload(nodes)]) as world:
        instance, node = next(iter(world.instances.items()))
        world.terminate(instance)
        world.pass_time(0.5)
        night = Night(world, monkeypatch, kubeconfig, {"NODE": node})
        night.type("stop", instance, "--yes")
        world.pass_time(60)
        assert world.executions()[0]["status"] == "ABORTED"
        night.play("ABORTED", until="stepdrain redrive NODE --watch")
        assert drained(world)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_a_missing_right_is_given_by_the_sections_commands(monkeypatch, kubeconfig):
    """The role binding was never applied."""
    with World(workload=cluster_workload, rbac=[]) as world:
        instance = next(iter(world.instances))
        world.terminate(instance)
        world.settle(within_s=7200)
        (execution,) = world.executions()
        assert (execution["status"], execution["error"]) == ("FAILED", "KubeForbidden")
        Night(world, monkeypatch, kubeconfig, {"NODE": instance}).play("KubeForbidden")
        assert drained(world), json.dumps(world.executions()[-1], default=str)
