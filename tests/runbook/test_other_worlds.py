"""Sections that need a world of their own: no rights, another machine, an arrival."""

import shutil

import pytest

from stepdrain_sandbox.world import World, rbac_manifests
from tests.runbook.conftest import workload
from tests.runbook.night import Night
from tests.runbook.sections import plays
from tests.world import trouble

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


@plays("KubeForbidden")
def test_a_missing_right_is_given_by_the_sections_commands(monkeypatch, tmp_path):
    """The manifests were never applied; kubectl applies them now."""
    with World(nodes=3, workload=workload, rbac=[]) as world:
        night = Night(world, monkeypatch, tmp_path, next(iter(world.instances)))
        world.terminate(night.instance)
        night.fails_with("KubeForbidden")
        night.play("KubeForbidden")
        night.drained()


@plays("WatchUnavailable", quick=True)
def test_a_drain_that_may_not_watch_polls_until_the_right_is_given(monkeypatch, tmp_path):
    """Manifests of an earlier version: the drain is later, and neither it nor its pod is lost."""
    with World(nodes=3, workload=workload, rbac=without_watch()) as world:
        night = Night(world, monkeypatch, tmp_path, next(iter(world.instances)))
        night.blanks["BUDGET"] = "web-0"
        night.hold()
        world.terminate(night.instance)
        world.pass_time(60)
        night.waits_for("Polled, since ")
        night.waits_for("disruption budget web-0 needs 1 healthy pod and has 1")
        night.play("WatchUnavailable", repaired=lambda: night.hold(1))
        night.drained()
        recorded = [event for event in world.kube.cluster.list("Event") if event["reason"] == "WatchDenied"]
        assert [event["involvedObject"]["name"] for event in recorded] == [night.node]
        assert "kubernetes/rbac.yaml" in recorded[0]["message"], recorded[0]["message"]


def without_watch():
    """The manifests as they were before a drain watched."""
    manifests = rbac_manifests({})
    for manifest in manifests:
        for rule in manifest.get("rules", ()):
            if rule["resources"] != ["pods"]:
                rule["verbs"] = [verb for verb in rule["verbs"] if verb != "watch"]
    return manifests


@plays("TIMED_OUT")
def test_a_drain_that_ran_to_the_machines_own_end(monkeypatch, tmp_path):
    """A function gave no answer in the drain's last minutes."""
    short = trouble.template(tmp_path, machine_s=300)
    with World(nodes=3, workload=workload, template=short) as world:
        night = Night(world, monkeypatch, tmp_path, next(iter(world.instances)))
        night.blanks["BUDGET"] = "web-0"
        night.hold()
        world.terminate(night.instance)
        night.fails_with("TIMED_OUT", "TIMED_OUT")
        night.hold(1)
        night.play("TIMED_OUT")
        night.drained()


@plays("NodeNotReady", "NodeNeverReady")
def test_an_instance_that_never_becomes_ready_is_replaced(monkeypatch, tmp_path):
    """Its action is abandoned after AdmitTimeout."""
    with World(nodes=1, parameters={"AdmitTimeout": "300"}) as world:
        night = Night(world, monkeypatch, tmp_path, next(iter(world.instances)))
        world.add_launch_hook()
        world.boots_after_s = None
        night.instance = night.blanks["INSTANCE"] = world.scale_out()
        world.pass_time(60)
        night.play("NodeNotReady")
        world.pass_time(400)
        world.boots_after_s = 10.0
        world.settle(machine="AdmitNode", every_s=30)
        first = world.executions("AdmitNode")[0]
        assert '"never ready"' in first["output"]
        night.play("NodeNeverReady")
