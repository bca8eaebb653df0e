"""The demo itself, in virtual time: what it shows is what the issue of every new reader is about."""

import json
import logging
from dataclasses import replace

import pytest
from click.testing import CliRunner

from stepdrain_recorded import audit
from stepdrain_recorded.audit import Change
from stepdrain_sandbox.clock import VirtualClock
from stepdrain_sandbox.demo import __main__ as demo
from stepdrain_sandbox.demo import edges, roll
from stepdrain_sandbox.demo.scenario import Choices, run
from tests.shards import sampled


def played(**choices):
    """The outcome of the story, and the lines that were said."""
    logging.disable(logging.INFO)  # A fixture of module scope is made before quiet_functions.
    clock, said = VirtualClock(), []
    try:
        return run(Choices(**choices), said.append, clock, look_every_s=1), "\n".join(said)
    finally:
        clock.close()


@pytest.fixture(scope="module")
def plain():
    """``make demo`` without options."""
    return played()


def kinds(outcome):
    return [change.kind for change in audit.changes(outcome.audit)]


def applications(outcome):
    evicted = [change.object for change in audit.changes(outcome.audit) if change.kind == "evict"]
    return [name[: name.index("-", name.index("/"))] for name in evicted]


def test_the_demo_shows_label_cordon_and_the_evictions_of_nginx_and_coredns_only(plain):
    """The four points of a managed node group's audit log, by our user agent, on every run."""
    outcome, said = plain
    assert kinds(outcome) == ["label", "cordon", "evict", "evict"]
    assert applications(outcome) == ["default/nginx", "kube-system/coredns"]
    assert {change.user_agent for change in audit.changes(outcome.audit)} == {"stepdrain/0.1.0"}
    assert outcome.summary["lifecycleAction"] == ["CONTINUE"]
    assert outcome.broken == []
    trail = audit.trail(audit.changes(outcome.audit), "CONTINUE")
    assert [line[:2] for line in trail] == ["1.", "2.", "3.", "4."]
    for shown in ("-> FindNode", "<- CompleteAction", "== Succeeded", "terminates, grace 5 s", "is ready on"):
        assert shown in said


def test_the_demo_can_show_the_edges_of_a_drain():
    """SCENARIO=edges: waves, a volume that is detached, a target that drains; and its own judgement."""
    outcome, said = played(edges=True)
    assert outcome.broken == []
    assert [name.split("/")[1] for name in outcome.summary["evicted"]] == list(edges.ORDER)
    for shown in ("-> WaitForVolumes", "is detached", "not yet: TargetsDraining", "of web is drained"):
        assert shown in said


def test_the_judgement_of_the_edges_can_fail():
    """A drain that was too fast to wait for anything, and an order that is not the waves'."""
    sentences = edges.broken([], [])
    assert [sentence.split(".")[0] for sentence in sentences] == [
        "The drain never waited in WaitForVolumes",
        "The drain never waited in WaitForTargets",
    ]
    wrong = [Change("t", "evict", f"default/{name}", 201, "stepdrain/0.1.0") for name in edges.ORDER[::-1]]
    assert edges.broken([], wrong)[0].startswith("Waves: pods were evicted in the order default/log-shipper")


def test_the_demo_can_show_a_budget_that_blocks_for_a_while():
    """nginx waits for its budget; nothing is deleted meanwhile."""
    outcome, said = played(blocked_s=6)
    assert "<- EvictBatch, not yet: default/nginx-demo-deployment-" in said
    assert "disruption budget nginx needs 3 healthy pods and has 3" in said
    assert "somebody edits the disruption budget nginx" in said
    assert outcome.broken == []


def test_the_demo_can_show_a_failing_drain_its_message_and_its_redrive():
    """G5: it stops, somebody is notified, and a redrive goes on."""
    outcome, said = played(failing=True)
    assert "FAILED (DrainRefused)" in said
    assert "forgotten-debug-pod" in said
    assert outcome.summary["redrives"] == [1]
    assert outcome.summary["status"] == ["SUCCEEDED"]
    assert outcome.broken == []


@pytest.mark.parametrize(("nodes", "pods"), sampled([(2, 1), (5, 20)], 0, every=2))
def test_the_demo_works_with_other_sizes(nodes, pods):
    """A node may then have pods of one application only."""
    outcome, _ = played(nodes=nodes, pods=pods)
    assert outcome.broken == []
    assert "evict" in kinds(outcome)


def command(monkeypatch, folder, outcome):
    """The command's result, run in ``folder`` with that outcome."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(demo, "play", lambda _choices, _say, _functions: outcome)
    return CliRunner().invoke(demo.command, [])


def test_the_demo_leaves_three_files(plain, monkeypatch, tmp_path):
    """For whoever wants to check the story with tools of their own."""
    outcome, _ = plain
    assert command(monkeypatch, tmp_path, outcome).exit_code == 0
    folder = tmp_path / "out" / "demo"
    audit = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    assert {(event["kind"], event["apiVersion"]) for event in audit} == {("Event", "audit.k8s.io/v1")}
    events = json.loads((folder / "history.json").read_text())["events"]
    assert (events[0]["type"], events[-1]["type"]) == ("ExecutionStarted", "ExecutionSucceeded")
    assert json.loads((folder / "summary.json").read_text())["brokenGuarantees"] == []


def test_a_broken_guarantee_is_a_sentence_and_exit_status_1(plain, monkeypatch, tmp_path):
    """A demo that cannot fail proves nothing."""
    outcome = replace(plain[0], broken=["G1: n saw evict, cordon in this order."])
    result = command(monkeypatch, tmp_path, outcome)
    assert result.exit_code == 1
    assert result.stderr.endswith("A guarantee was broken:\nG1: n saw evict, cordon in this order.\n")


@pytest.fixture(scope="module")
def rolled():
    """``make demo SCENARIO=roll``."""
    logging.disable(logging.INFO)
    clock, said = VirtualClock(), []
    try:
        return roll.run(said.append, 3, clock, look_every_s=1), "\n".join(said)
    finally:
        clock.close()


def test_the_demo_can_show_a_roll_that_loses_no_request_beside_a_drain_that_waits(rolled):
    """G10 A workload that is rolled instead of evicted never falls below its budget because of us."""
    outcome, said = rolled
    assert outcome.broken == []
    counted = outcome.summary["requests"]
    assert counted["web"]["lost"] == 0
    assert counted["web"]["served"] > 100
    # Only after its budget is gone: the outage that a roll avoids.
    assert counted["api"]["lost"] > 10
    assert outcome.summary["rolled"] == ["deployments default/web"]
    assert [name[:12] for name in outcome.summary["evicted"]] == ["default/api-"]
    assert "Deployment web is being rolled; its new pod web-" in said
    assert "disruption budget api needs 1 healthy pod and has 1" in said
