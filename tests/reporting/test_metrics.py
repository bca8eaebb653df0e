"""What is counted, when, and in which form it is written."""

import json

import pytest
from stepdrain.clock import to_epoch_s
from stepdrain.document.progress import Progress
from stepdrain.document.step import parse
from stepdrain.reporting import metrics

START = "2026-01-01T00:00:00Z"
T0 = to_epoch_s(START)


def a_step(attempt=0, redriven="", record=None, **drain):
    execution = {"StartTime": START, "Name": "i-1", **({"RedriveTime": redriven} if redriven else {})}
    return parse(
        {
            "execution": execution,
            "state": {"EnteredTime": START, "RetryCount": attempt, "Name": "X"},
            "drain": {
                "nodeName": "n",
                "cluster": "demo",
                **({"progress": record.to_document()} if record else {}),
                **drain,
            },
        }
    )


def test_a_batch_counts_what_it_added_to_the_record():
    """The record sums up the whole drain; a metric is what is new."""
    before = Progress(1, T0, evicted=7, forced=2)
    after = Progress(1, T0, evicted=12, forced=3, blocked=4)
    assert metrics.of_batch(a_step(record=before), after) == {
        "PodsEvicted": 4, "PodsForced": 1, "EvictionsBlocked": 4,
    }  # fmt: skip


def test_a_retry_counts_no_blocked_pod_again():
    """The first attempt of the visit has counted it."""
    assert "EvictionsBlocked" not in metrics.of_batch(a_step(attempt=3), Progress(0, T0, blocked=4))
    assert metrics.of_blocked(a_step(attempt=1), 5) == {}


@pytest.mark.parametrize("held", [{"refused_since": T0 + 60}, {"rolling": ("default/web",)}])
def test_a_pod_that_is_asked_for_again_is_counted_once_a_heartbeat(held):
    """A budget that flaps for 48 hours refuses it more than a thousand times."""
    after = Progress(0, T0, blocked=1)
    before = Progress(0, T0, asked_after=T0, **held)
    assert "EvictionsBlocked" not in metrics.of_batch(a_step(record=before), after)
    sent = Progress(1, T0 + 840, asked_after=T0, **held)
    assert metrics.of_batch(a_step(record=sent), after)["EvictionsBlocked"] == 1


def test_the_age_of_a_redriven_drain_begins_at_the_redrive():
    """Else the alarm on long drains would ring as soon as somebody has repaired one."""
    step = a_step(redriven="2026-01-01T05:00:00Z")
    assert metrics.of_heartbeat(step, T0 + 5 * 3600 + 60) == {"DrainAge": 60}


def test_the_duration_of_a_redriven_drain_is_all_of_it():
    """That long the instance was held."""
    step = a_step(redriven="2026-01-01T05:00:00Z")
    assert metrics.of_completion(step, T0 + 6 * 3600) == {"DrainDuration": 6 * 3600, "PodsGivenUp": 0}
    assert metrics.of_completion(a_step(nothingToDo={}), T0 + 300) == {}


def test_an_instance_that_never_joined_is_counted_and_has_no_duration():
    """Groups whose nodes do not join are found by a number, not by reading each execution."""
    assert metrics.of_completion(a_step(neverJoined={}), T0 + 300) == {"NeverJoined": 1}


def test_a_line_has_units_and_the_cluster_as_its_only_dimension_besides_the_service(capsys):
    """A dimension more is a metric more for each of its values, and each costs."""
    metrics.publish("demo", {metrics.Metric.DRAIN_AGE: 60, metrics.Metric.PODS_EVICTED: 2})
    line = json.loads(capsys.readouterr().out)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Stepdrain"
    assert [sorted(names) for names in directive["Dimensions"]] == [["cluster", "service"]]
    assert directive["Metrics"] == [
        {"Name": "DrainAge", "Unit": "Seconds"},
        {"Name": "PodsEvicted", "Unit": "Count"},
    ]
    assert (line["cluster"], line["service"], line["PodsEvicted"]) == ("demo", "stepdrain", [2.0])


def test_nothing_is_written_where_there_is_nothing_to_tell(capsys):
    """An empty line is one that somebody pays for."""
    metrics.publish("demo", {})
    assert capsys.readouterr().out == ""


def test_nothing_is_written_before_the_cluster_is_known(capsys):
    """A drain that somebody started by its instance's id alone, whose FindNode is not answered yet."""
    metrics.publish("", metrics.of_heartbeat(a_step(), T0 + 60))
    assert capsys.readouterr().out == ""
    metrics.publish("demo", metrics.of_heartbeat(a_step(), T0 + 60))
    assert "demo" in capsys.readouterr().out
