"""Alarms, dashboard and queries: what an operator sees refers to things that exist."""

from __future__ import annotations

import json
import re
from typing import Any

from stepdrain.reporting.metrics import Metric

from tests.template.stack import ROOT, Stack, source

# That functions write them under the names and dimensions given here: tests/world/test_metrics.py.
OWN_METRICS = {metric.value for metric in Metric}


def dashboard(stack: Stack) -> list[dict[str, Any]]:
    """The dashboard's widgets; fails if the body is no JSON."""
    (board,) = stack.of_type("AWS::CloudWatch::Dashboard").values()
    widgets: list[dict[str, Any]] = json.loads(board["DashboardBody"])["widgets"]
    return widgets


def test_there_is_an_alarm_for_everything_a_person_has_to_look_at(stack: Stack) -> None:
    """What an alarm does not tell, nobody learns in time."""
    assert {n.removesuffix("Alarm") for n in stack.of_type("AWS::CloudWatch::Alarm")} == {
        "DrainsFailed",
        "AdmissionsFailed",
        "DrainsTimedOut",
        "DrainsThrottled",
        "DeadLetters",
        "RuleFailed",
        "RuleLostEvents",
        "StartDrainErrors",
        "SweepErrors",
        "SweepAbsent",
        "NotifyErrors",
        "DrainIsLong",
    }


def test_every_alarm_tells_the_topic_and_says_what_it_means(stack: Stack) -> None:
    """An alarm that only turns red is seen by whoever happens to look."""
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        assert alarm["AlarmActions"] == ["<Notifications>"], name
        assert alarm["AlarmDescription"].endswith(".")
        # Without drains there are no data, and that is fine. Only the sweep runs always.
        silence = "breaching" if name == "SweepAbsentAlarm" else "notBreaching"
        assert alarm["TreatMissingData"] == silence


def test_the_sweeps_silence_is_an_alarm_at_its_slowest_rate(stack: Stack) -> None:
    """A schedule that was switched off, or a function that only fails, is seen within its period."""
    alarm = stack.of_type("AWS::CloudWatch::Alarm")["SweepAbsentAlarm"]
    succeeded, *counted = alarm["Metrics"]
    assert succeeded["Expression"] == "invocations - errors"
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    slowest = 60 * source()["Parameters"]["SweepMinutes"]["MaxValue"]
    assert {metric["MetricStat"]["Period"] >= 2 * slowest for metric in counted} == {True}


def test_exactly_this_stacks_alarms_may_publish(stack: Stack) -> None:
    """An alarm that is missing in the topic's policy tells nobody."""
    (policy,) = stack.of_type("AWS::SNS::TopicPolicy").values()
    allowed = policy["PolicyDocument"]["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert set(allowed) == {f"<{name}.Arn>" for name in stack.of_type("AWS::CloudWatch::Alarm")}


def test_the_alarm_on_long_drains_counts_minutes() -> None:
    """The metric is in seconds, the parameter in minutes."""
    alarm = Stack(LongDrainMinutes="90").of_type("AWS::CloudWatch::Alarm")["DrainIsLongAlarm"]
    minutes, age = alarm["Metrics"]
    assert (minutes["Expression"], alarm["Threshold"]) == ("age / 60", "90")
    assert age["MetricStat"]["Metric"]["MetricName"] in OWN_METRICS


def test_the_dashboard_names_only_metrics_that_exist(stack: Stack) -> None:
    """An empty graph looks like a quiet night."""
    names = re.findall(
        r'"(?:Stepdrain|\.)", "(\w+)", ("service"|"\.", "\.", "\.", "\.")', str(json.dumps(dashboard(stack)))
    )
    assert {name for name, _ in names} <= OWN_METRICS
    assert len(names) >= 4


def test_the_dashboard_shows_every_alarm(stack: Stack) -> None:
    """One look has to do."""
    (alarms,) = [w for w in dashboard(stack) if w["type"] == "alarm"]
    assert set(alarms["properties"]["alarms"]) == {
        f"<{n}.Arn>" for n in stack.of_type("AWS::CloudWatch::Alarm")
    }


def test_the_readme_shows_what_is_on_the_dashboard(stack: Stack) -> None:
    """A stranger looks there before anything is deployed."""
    titles = dict(
        re.findall(r"^\| ([A-Z][\w ]+) \| (.+) \|$", (ROOT / "docs" / "guide.md").read_text(), re.MULTILINE)
    )
    for widget in (w["properties"] for w in dashboard(stack) if "title" in w["properties"]):
        labels = [metric[-1]["label"] for metric in widget.get("metrics", ())]
        assert ", ".join(labels) in titles[widget["title"]]


def test_no_widget_lies_over_another(stack: Stack) -> None:
    """CloudWatch moves what overlaps, to places that nobody meant."""
    cells = [
        (x, y)
        for w in dashboard(stack)
        for x in range(w["x"], w["x"] + w["width"])
        for y in range(w["y"], w["y"] + w["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_the_dashboard_can_be_left_out() -> None:
    """More than three dashboards cost money."""
    assert not Stack(CreateDashboard="false").of_type("AWS::CloudWatch::Dashboard")


def test_the_log_of_one_drain_is_read_from_every_log_group(stack: Stack) -> None:
    """A function that is left out would leave a hole in the story."""
    query = stack.of_type("AWS::Logs::QueryDefinition")["OneNodesDrainQuery"]
    notify = {"<NotifyLogGroup>"}  # It tells about a drain that is over.
    assert {*query["LogGroupNames"], *notify} == {f"<{n}>" for n in stack.of_type("AWS::Logs::LogGroup")}


def test_the_audit_query_reads_the_clusters_log_for_changes_alone(stack: Stack) -> None:
    """Reads outnumber changes by far, and nobody asks for them."""
    query = stack.of_type("AWS::Logs::QueryDefinition")["ChangesInTheClusterQuery"]
    assert query["LogGroupNames"] == ["/aws/eks/demo/cluster"]
    assert 'not in ["get", "list", "watch"]' in query["QueryString"]
    assert "sort @timestamp" in query["QueryString"]


def test_every_log_group_is_encrypted_and_forgets(stack: Stack) -> None:
    """Logs that are kept for ever cost for ever."""
    for group in stack.of_type("AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"] == "90"
        assert group["KmsKeyId"] == "<Key.Arn>"


def test_the_key_lets_every_log_group_of_the_stack_be_written(stack: Stack) -> None:
    """A log group whose name the key does not know cannot be made."""
    statements = stack.of_type("AWS::KMS::Key")["Key"]["KeyPolicy"]["Statement"]
    arns = statements[1]["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    prefixes = tuple(arn.split(":log-group:")[1].removesuffix("*") for arn in arns)
    names = [group["LogGroupName"] for group in stack.of_type("AWS::Logs::LogGroup").values()]
    assert all(name.startswith(prefixes) for name in names)


def test_an_address_is_subscribed_only_if_it_is_given(stack: Stack, full: Stack) -> None:
    """The topic is there in any case, for a chat or a pager."""
    assert not stack.of_type("AWS::SNS::Subscription")
    (subscription,) = full.of_type("AWS::SNS::Subscription").values()
    assert subscription["Endpoint"] == "on-call@example.com"


def test_console_links_lead_to_the_console_of_the_partition() -> None:
    """China and GovCloud have consoles of their own."""
    china = Stack(**{"AWS::Partition": "aws-cn", "AWS::Region": "cn-north-1"})
    assert china.outputs["ConsoleLink"]["Value"].startswith("https://cn-north-1.console.amazonaws.cn/states/")
    assert (
        "amazonaws-us-gov.com" in Stack(**{"AWS::Partition": "aws-us-gov"}).outputs["DashboardLink"]["Value"]
    )
