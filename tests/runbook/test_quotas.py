"""What an account needs before many nodes may go at once: each command of the table is typed, and answers."""

import re
import shlex

import jmespath
import pytest

from bench.storm.section import section_of
from stepdrain_sandbox.aws.deploy import ROOT
from stepdrain_sandbox.aws.quotas import QUOTAS
from stepdrain_sandbox.world import World
from tests.runbook import aws_cli

OPERATIONS, PERFORMANCE = (ROOT / "docs" / name for name in ("operations.md", "performance.md"))
SECTION = OPERATIONS.read_text().split("### What an account needs\n")[1].split("\n## ")[0]
ROWS = [line for line in SECTION.splitlines() if line.startswith("| ") and "`aws " in line]
SAMPLES = {
    "service-quotas": {
        "Quotas": [
            {"QuotaName": "StartExecution throttle token bucket size", "Value": 800.0},
            {"QuotaName": "StateTransition throttle token bucket size", "Value": 800.0},
            {"QuotaName": "Messages Published per Second", "Value": 300.0},
        ]
    },
    "cloudtrail": {
        "Events": [
            {"EventTime": 1, "CloudTrailEvent": f'{{"errorCode":"{code}"}}'}
            for code in ("RequestLimitExceeded", "ThrottlingException", "Client.Throttling")
        ]
    },
}
"""Answers of services that the embedded account lacks, in the form of botocore's models."""


def command_of(row):
    return shlex.split(re.findall(r"`(aws [^`]+)`", row)[0])[1:]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip().split(" [")[0])
def test_each_quota_has_a_command_that_can_be_typed(row):
    """Its options exist, and its query selects something of an answer."""
    service, operation, *options = command_of(row)
    model = aws_cli.operation_of(service, operation)
    assert model is not None
    aws_cli.parameters(options, model.input_shape)
    if "--query" in options and service in SAMPLES:
        assert jmespath.search(options[options.index("--query") + 1], SAMPLES[service])


def test_the_number_of_concurrent_executions_is_shown():
    """As the embedded account has it."""
    (row,) = [row for row in ROWS if "get-account-settings" in row]
    command = command_of(row)
    with World(nodes=1) as world:
        world.aws.concurrent_executions = 10
        answer = aws_cli.typed(command)
    assert jmespath.search(command[command.index("--query") + 1], answer) == 10


def test_each_quota_that_a_storm_has_met_is_in_the_table():
    """docs/performance.md says what was throttled, and an operator should find it here."""
    met = {name for name in QUOTAS if re.search(rf"\b{name} \d", section_of(PERFORMANCE.read_text()))}
    assert met
    assert {name for name in met if name not in SECTION} == set()
