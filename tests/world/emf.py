"""Reads what functions write for CloudWatch: lines in the embedded metric format, and who names them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

Key = tuple[str, str, tuple[tuple[str, str], ...]]
"""Namespace, metric, and dimensions with their values."""


def lines(stdout: str) -> list[dict[str, Any]]:
    """The metric lines among what functions printed; each line is JSON."""
    return [line for line in map(json.loads, stdout.splitlines()) if "_aws" in line]


def numbers(written: Iterable[dict[str, Any]]) -> dict[Key, list[float]]:
    """The values of each metric, in order, as CloudWatch would file them."""
    filed: dict[Key, list[float]] = defaultdict(list)
    for line in written:
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for dimensions in directive["Dimensions"]:
                values = tuple(sorted((name, line[name]) for name in dimensions))
                for metric in directive["Metrics"]:
                    filed[directive["Namespace"], metric["Name"], values] += line[metric["Name"]]
    return dict(filed)


def named_by(alarm_metrics: Iterable[dict[str, Any]]) -> set[Key]:
    """The metrics that an alarm's ``Metrics`` read."""
    read = [metric["MetricStat"]["Metric"] for metric in alarm_metrics if "MetricStat" in metric]
    return {
        (m["Namespace"], m["MetricName"], tuple(sorted((d["Name"], d["Value"]) for d in m["Dimensions"])))
        for m in read
    }


def shown_by(widget_metrics: Iterable[list[Any]]) -> set[Key]:
    """The metrics of a dashboard's widget; ``.`` repeats a field of the row before, ``...`` all.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """
    shown, before = set(), list[str]()
    for row in widget_metrics:
        fields = [field for field in row if isinstance(field, str)]
        if fields[:1] == ["..."]:
            fields = [*before[: len(before) - len(fields) + 1], *fields[1:]]
        fields = [before[at] if field == "." else field for at, field in enumerate(fields)]
        namespace, metric, *pairs = before = fields
        shown.add((namespace, metric, tuple(sorted(zip(pairs[::2], pairs[1::2], strict=True)))))
    return shown
