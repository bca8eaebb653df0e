"""Dollars, with literal figures that a reader can check by hand."""

import pytest

from bench import cost, prices
from bench.cost import Function, Usage

PRICES = {
    "TRANSITION": 0.000025,
    "LAMBDA_GB_S": 0.0000133334,
    "LAMBDA_REQUEST": 0.0000002,
    "LOG_BYTE": 0.0000000005,
}


def test_the_prices_are_those_that_the_figures_here_are_made_with():
    """A price that is changed changes the sums below; they must be counted again then."""
    assert {name: getattr(prices, name) for name in PRICES} == pytest.approx(PRICES)


def test_a_drain_costs_its_transitions_its_time_its_requests_and_its_log():
    """2.5 cents for 1,000 transitions, 1.33 for 1,000 GB-s, 20 for a million requests, 50 for a GB of log."""
    assert Usage(1_000, 0, 0, 0).dollars == pytest.approx(0.025)
    assert Usage(0, 1_000_000, 0, 0).dollars == pytest.approx(0.20)
    assert Usage(0, 0, 1_000, 0).dollars == pytest.approx(0.0133334)
    assert Usage(0, 0, 0, 10**9).dollars == pytest.approx(0.50)
    assert Usage(1_000, 1_000_000, 1_000, 10**9).dollars == pytest.approx(0.7383334)


def test_half_the_processor_takes_twice_as_long():
    """At 884.5 MB a function has half a vCPU, so 0.3 s of CPU are 0.6 billed seconds, and init is billed."""
    function = Function(memory_mb=cost.FULL_VCPU_MB // 2, init_cpu_s=0.4, work_cpu_s=0.3)
    assert function.billed_s(0, cold=False) == pytest.approx(0.6, rel=0.01)
    assert function.billed_s(0, cold=True) == pytest.approx(1.4, rel=0.01)


def test_waiting_takes_no_processor():
    """A watch of 15 s is 15 s, however small the function is."""
    assert Function(512, 0, 0).billed_s(15, cold=True) == 15


def test_more_memory_than_a_whole_processor_does_not_make_it_faster():
    """Handlers are single-threaded but for their evictions."""
    assert Function(3_538, 0, 1).billed_s(0, cold=False) == 1


def test_a_function_is_cold_once_in_a_drain():
    """1 GB and a whole vCPU's worth of slowness: 10 + 1.5 x 1.7275 s, then 10 + 0.5 x 1.7275 s."""
    used = cost.usage([("A", 10), ("A", 10)], 7, {"A": Function(1024, 1.0, 0.5)})
    assert used == Usage(7, 2, pytest.approx(20 + 2 * 1769 / 1024), 2 * cost.LOG_BYTES)


def test_the_pod_costs_its_larger_share_of_a_machine():
    """50 m of 2 vCPU are 2.5 %, 64 MiB of 8 GiB 0.8 %: 2.5 % of 0.096 x 730 dollars."""
    assert cost.pod_month() == pytest.approx(1.752)


def test_only_what_costs_without_being_used_is_in_the_fixed_part():
    """Nine alarms and a key; roles and log groups are free."""
    kinds = ["AWS::CloudWatch::Alarm"] * 9 + ["AWS::KMS::Key", "AWS::IAM::Role"]
    fixed = cost.fixed_month({"Type": kind} for kind in kinds)
    assert fixed == {"AWS::CloudWatch::Alarm": pytest.approx(0.9), "AWS::KMS::Key": 1.0}


def test_an_alarm_costs_as_much_as_it_reads_metrics():
    """An expression over seven rules' metrics is billed like seven alarms."""
    metrics = [{"Id": "sum", "Expression": "a + b"}, *({"Id": metric, "MetricStat": {}} for metric in "ab")]
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metrics": metrics}}
    assert cost.fixed_month([alarm]) == {"AWS::CloudWatch::Alarm": pytest.approx(0.2)}
