"""What a drain adds to the installation's metrics: numbers from its record, and the line that carries them.

A function writes a line in CloudWatch's embedded metric format to its log, and CloudWatch makes
metrics of it: no request, no permission, and nothing to wait for
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html).
Dimensions are the cluster and nothing finer: each combination of values is a metric that costs money.

What a retry or a redrive does to each is said in its function.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from stepdrain.document.progress import Progress
from stepdrain.document.step import Step

NAMESPACE, SERVICE = "Stepdrain", "stepdrain"


class Metric(StrEnum):
    """All metrics there are; template.yaml names them in its alarm and its dashboard."""

    DRAIN_AGE = "DrainAge"
    DRAIN_DURATION = "DrainDuration"
    NEVER_JOINED = "NeverJoined"
    PODS_EVICTED = "PodsEvicted"
    EVICTIONS_BLOCKED = "EvictionsBlocked"
    PODS_FORCED = "PodsForced"
    PODS_GIVEN_UP = "PodsGivenUp"


SECONDS = {Metric.DRAIN_AGE, Metric.DRAIN_DURATION}
Numbers = Mapping[Metric, float]


def of_batch(step: Step, record: Progress) -> Numbers:
    """Counts of pods that one attempt of EvictBatch moved, from the record before and after it.

    A pod is counted once, however often the state is retried or redriven: an evicted pod
    terminates, and no later attempt asks for it again. PodsForced are not among PodsEvicted.
    """
    forced = record.forced - step.progress.forced
    moved = {
        Metric.PODS_EVICTED: record.evicted - step.progress.evicted - forced,
        Metric.PODS_FORCED: forced,
    }
    return {**moved, **of_blocked(step, record.blocked)}


def of_blocked(step: Step, pods: int) -> Numbers:
    """Count of the pods that budgets hold, once for each batch and not each time it is asked for again.

    A drain that is held for 48 hours would else count the same pod a thousand times.
    """
    return {} if step.attempt or step.progress.held_before else {Metric.EVICTIONS_BLOCKED: pods}


def of_heartbeat(step: Step, now: float) -> Numbers:
    """Seconds since the start or redrive. A gauge, read by its maximum: telling it twice is harmless."""
    return {Metric.DRAIN_AGE: now - step.running_since}


def of_completion(step: Step, now: float) -> Numbers:
    """Seconds from the start to the completed action, time that a failed drain waited for a person included;
    and the count of pods that were given up.

    For an instance that never joined a count of 1 instead, and nothing for one that arrives. Published
    after the action is completed, so that a retry that did not get that far publishes nothing.
    """
    if step.never_joined:
        return {Metric.NEVER_JOINED: 1}
    if step.nothing_to_do or step.admission:
        return {}
    given_up = step.progress.stuck + step.progress.unended
    return {Metric.DRAIN_DURATION: now - step.begun_at, Metric.PODS_GIVEN_UP: given_up}


def publish(cluster: str, numbers: Numbers) -> None:
    """Write ``numbers`` as one line to stdout, the function's log.

    Nothing if there are none, or if the ``cluster``, by which they are looked up, is not known yet ("").
    """
    if not numbers or not cluster:
        return
    line = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
    line.add_dimension(name="cluster", value=cluster)
    for metric, number in numbers.items():
        unit = MetricUnit.Seconds if metric in SECONDS else MetricUnit.Count
        line.add_metric(name=metric.value, unit=unit, value=number)
    line.flush_metrics()
