"""Storms in small: an account with quotas, in which everything takes time; make bench plays them whole."""

import pytest

from bench.storm.play import play
from bench.storm.storms import Storm
from stepdrain_sandbox.aws.quotas import OF_A_ROW, QUOTAS, Bucket, Quotas, row_of
from stepdrain_sandbox.clock import VirtualClock


def test_a_small_storm_of_spot_notices_loses_none_and_drains_none_twice():
    """With the quotas of an ordinary region; the last is cordoned within seconds of its notice."""
    outcome = play(Storm("spot", 8, within_s=1.0))
    assert (outcome.finished, outcome.lost, outcome.twice) == (8, 0, 0)
    assert outcome.cordon_last_s < 30
    assert outcome.cold_starts > 0
    assert (outcome.failed, outcome.cut_short) == (0, 0)


def test_a_pod_that_its_machine_takes_with_it_is_counted(monkeypatch):
    """EC2 takes a Spot instance after two minutes, whatever grace a pod on it has."""
    monkeypatch.setattr("bench.storm.play.GRACES_S", (5, 300))
    assert play(Storm("spot", 2, within_s=1.0)).cut_short > 0
    monkeypatch.setattr("bench.storm.play.GRACES_S", (5, 60))
    assert play(Storm("spot", 2, within_s=1.0)).cut_short == 0


def test_with_two_functions_at_once_a_scale_in_takes_longer_and_loses_none():
    """A new account: Lambda refuses most invocations, and each is made again."""
    outcome = play(Storm("scale-in", 6, within_s=1.0, concurrent=2))
    assert (outcome.finished, outcome.lost, outcome.twice) == (6, 0, 0)
    assert outcome.throttled["Invoke"] > 0
    assert outcome.peak_concurrency == 2


@pytest.fixture
def clock():
    """Virtual time; the test is its only actor."""
    clock = VirtualClock()
    clock.enter()
    yield clock
    clock.leave()
    clock.close()


def test_a_bucket_grants_its_burst_and_then_its_refill(clock):
    """https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""
    bucket = Bucket(clock, 100, 2)
    assert [bucket.take() for _ in range(101)] == [True] * 100 + [False]
    clock.sleep(1)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    clock.sleep(3600)
    assert sum(bucket.take() for _ in range(200)) == 100


def test_a_transition_waits_for_its_turn(clock):
    """Step Functions puts transitions off, and refuses none."""
    quotas = Quotas(clock)
    waits = [quotas.transition_s() for _ in range(1600)]
    assert waits[799] == 0
    assert waits[-1] == pytest.approx(1.0)


def test_what_is_not_published_can_be_halved(clock):
    """A storm must not depend on a guess; what is published stays."""
    whole, half = Quotas(clock), Quotas(clock, share=0.5)

    def granted(quotas, operation):
        return sum(quotas.refusal(operation) is None for _ in range(200))

    assert granted(half, "DescribeCluster") == granted(whole, "DescribeCluster") / 2 == 50
    assert granted(half, "ListExecutions") == granted(whole, "ListExecutions") == 100


def test_a_row_that_all_ask_for_has_less_than_its_table(clock):
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput-scenarios.html"""
    quotas = Quotas(clock)
    hot = row_of({"TableName": "cache", "Key": {"cacheKey": {"S": "begun/demo"}}})
    item = {"cacheKey": {"S": "begun/demo"}, "content": {"S": "{}"}}
    written = row_of({"TableName": "cache", "Item": item})
    assert hot == written
    assert sum(quotas.refusal("PutItem", written) is None for _ in range(1100)) == 1000
    assert quotas.refusal("PutItem", "cache/another") is None
    assert sum(quotas.refusal("GetItem", hot) is None for _ in range(6100)) == 6000


def test_each_quota_says_where_it_is_from():
    """Or that it is assumed."""
    stated = [*QUOTAS.values(), *OF_A_ROW.values()]
    assert all(quota.source.startswith(("https://", "assumed")) for quota in stated)
