"""What alarm and dashboard read is what functions write, and no pod is counted twice."""

import contextlib
import io
import json
import os
from dataclasses import dataclass

import pytest

from stepdrain_sandbox.aws.account import LambdaFault
from stepdrain_sandbox.workload import cluster_workload, lone_pod
from stepdrain_sandbox.world import World
from tests.template.stack import Stack
from tests.world import emf

OURS = (("cluster", "demo"), ("service", "stepdrain"))


@dataclass
class Drained:
    """What a drain wrote, and the document it ended with."""

    written: dict[emf.Key, list[float]]
    output: dict

    def values(self, metric):
        """All values of one metric, in order."""
        return [v for (_, name, _), values in self.written.items() if name == metric for v in values]


def drained(prepare=None, **options):
    """Drain the fullest node with functions that write their metrics, as they do on Lambda."""
    stdout = io.StringIO()
    with World(workload=cluster_workload, **options) as world, contextlib.redirect_stdout(stdout):
        # The world turns them off for whoever runs it, and puts everything back.
        os.environ["POWERTOOLS_METRICS_DISABLED"] = "false"
        instance, node = max(world.instances.items(), key=lambda item: len(world.pods_on(item[1])))
        if prepare is not None:
            prepare(world, node)
        world.terminate(instance)
        world.settle(7200, every_s=20)
        (execution,) = world.executions()
    assert execution["status"] == "SUCCEEDED"
    return Drained(emf.numbers(emf.lines(stdout.getvalue())), json.loads(execution["output"]))


def block(world, node):
    """No nginx pod may be disrupted; a pod without a budget is there as well."""
    world.kube.cluster.create(lone_pod("lone", node))
    world.pass_time(5)
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})


@pytest.fixture(scope="module")
def calm():
    """A drain that nothing holds up."""
    return drained()


@pytest.fixture(scope="module")
def forced():
    """A drain that a budget blocks until its deadline, and that then deletes what is left."""
    return drained(block, parameters={"OnTimeout": "force", "DrainTimeout": "1500"})


def test_every_metric_that_the_template_names_is_written_and_none_besides(forced):
    """An alarm on a metric that nobody writes is silent for ever, and looks as if all were well."""
    stack = Stack()
    (board,) = stack.of_type("AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(board["DashboardBody"])["widgets"]
    shown = [emf.shown_by(w["properties"]["metrics"]) for w in widgets if w["type"] == "metric"]
    alarms = [emf.named_by(a.get("Metrics", ())) for a in stack.of_type("AWS::CloudWatch::Alarm").values()]
    named = {key for keys in [*shown, *alarms] for key in keys if key[0] == "Stepdrain"}
    assert named == set(forced.written)
    assert {dimensions for _, _, dimensions in named} == {OURS}


def test_a_drain_tells_how_many_pods_it_evicted_and_how_long_it_took(calm):
    """The dashboard's graphs are sums and percentiles of these."""
    assert sum(calm.values("PodsEvicted")) == calm.output["progress"]["evicted"] > 0
    assert sum(calm.values("PodsForced")) == 0
    (duration,) = calm.values("DrainDuration")
    assert 5 <= duration <= 60


def test_a_forced_pod_is_not_counted_as_evicted_too(forced):
    """Somebody has to see how often budgets are overridden."""
    record = forced.output["progress"]
    assert sum(forced.values("PodsForced")) == record["forced"] > 0
    assert sum(forced.values("PodsEvicted")) == record["evicted"] - record["forced"] > 0


def test_a_blocked_pod_is_counted_once_a_visit_and_not_at_each_retry(forced):
    """In 48 hours one pod would else be thousands of refusals."""
    blocked = forced.values("EvictionsBlocked")
    # One visit for each round, and one more for each batch after a wave has left.
    assert 0 < len(blocked) <= forced.output["progress"]["number"] + 4
    assert 0 < max(blocked) <= 3


def test_a_running_drain_tells_its_age_at_each_heartbeat(forced):
    """The alarm on long drains reads the largest."""
    ages = forced.values("DrainAge")
    assert len(ages) == forced.output["progress"]["number"] > 0
    assert ages == sorted(ages)


def test_pods_are_counted_once_when_an_attempt_is_lost_after_its_work(calm):
    """A function that ran out of time after the evictions is retried, and finds them under way."""

    def lose_an_answer(world, _node):
        world.aws.lambda_faults.append(LambdaFault("EvictBatchFunction", "Sandbox.Timedout", after=True))

    assert sum(drained(lose_an_answer).values("PodsEvicted")) == sum(calm.values("PodsEvicted"))
