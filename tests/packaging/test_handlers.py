"""Every handler of the template runs from what was built, in a process of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from samtranslator.yaml_helper import yaml_parse

from stepdrain_sandbox.aws.deploy import ROOT
from stepdrain_sandbox.aws.language_extensions import expand
from stepdrain_sandbox.built.artifacts import Built
from stepdrain_sandbox.built.functions import LOGGING
from stepdrain_sandbox.built.runtime_api import Result, invoke, serving
from tests.packaging.kube_stub import Cluster

TIME = "2026-01-01T00:00:00.000Z"
LIFECYCLE = {
    "group": "workers",
    "hook": "stepdrain",
    "token": "87654321-4321-4321-4321-210987654321",
    "heartbeatTimeout": 1800,
    "globalTimeout": 172800,
}
DRAIN: dict[str, Any] = {
    "nodeName": "n1",
    "cluster": "demo",
    "node": {"name": "n1", "uid": "u1"},
    "reason": "spot",
}
HELD = {"instanceId": "i-0123456789abcdef0", "cluster": "demo", "lifecycle": LIFECYCLE, "node": DRAIN["node"]}
INTAKE = {
    "STEPDRAIN_STATE_MACHINE_ARN": "arn:aws:states:eu-west-1:123456789012:stateMachine:stepdrain",
    "STEPDRAIN_ACCOUNT_ID": "123456789012",
    "STEPDRAIN_HOOK_NAME": "stepdrain",
}
NOTIFY = {"STEPDRAIN_TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:stepdrain"}
EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:stepdrain:i-0123456789abcdef0-87654321"
STATUS = {
    "executionArn": EXECUTION,
    "name": "x",
    "status": "FAILED",
    "startDate": 1767225600000,
    "input": "{}",
}


def now() -> str:
    """The time as a payload has it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def task(drain: dict[str, Any], since: str = TIME) -> dict[str, Any]:
    """The payload of a Task of an execution that has begun at ``since``."""
    return {
        "execution": {"Name": "x", "StartTime": since},
        "state": {"Name": "s", "EnteredTime": TIME, "RetryCount": 0},
        "drain": drain,
    }


def terminated() -> dict[str, Any]:
    """The event of an instance that our hook holds."""
    return json.loads((ROOT / "tests" / "events" / "terminate-lifecycle-action.json").read_text())


# What each handler answers: a key of its result, or the error it ends with.
TO_THE_CLUSTER = {
    "stepdrain.steps.find_node.handler": (task(DRAIN), "node"),
    "stepdrain.steps.label.handler": (task(DRAIN), "labelled"),
    "stepdrain.steps.cordon.handler": (task(DRAIN), "cordoned"),
    "stepdrain.steps.evict_batch.handler": (task(DRAIN), "evicted"),
    "stepdrain.steps.wait_for_pods.handler": (task(DRAIN), "next"),
    "stepdrain.steps.wait_for_volumes.handler": (task(DRAIN), "detached"),
    "stepdrain.steps.uncordon.handler": (task(DRAIN), "undone"),
}
TO_AWS = {
    "stepdrain.steps.start_drain.handler": (terminated(), "AwsUnavailable"),
    "stepdrain.steps.sweep.handler": ({}, "AwsUnavailable"),
    "stepdrain.steps.wait_for_node.handler": (task(HELD), "AwsUnavailable"),
    "stepdrain.steps.wait_for_targets.handler": (task(HELD), "AwsUnavailable"),
    # Without a deadline that is over, which would end the drain whatever AWS answers.
    "stepdrain.steps.heartbeat.handler": (task(HELD, since=now()), "AwsUnavailable"),
    "stepdrain.steps.complete_action.handler": (task(HELD), "AwsUnavailable"),
    "stepdrain.steps.notify.handler": ({"region": "eu-west-1", "detail": STATUS}, "AwsUnavailable"),
}


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A kubeconfig for the stub."""
    path = tmp_path_factory.mktemp("kube") / "config"
    with serving(Cluster) as address:
        named = {"name": "stub"}
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "stub",
                    "clusters": [{**named, "cluster": {"server": f"http://{address}"}}],
                    "users": [{**named, "user": {"token": "t"}}],
                    "contexts": [{**named, "context": {"cluster": "stub", "user": "stub"}}],
                }
            )
        )
        yield path


def outcome(result: Result) -> Any:
    """The keys of an answer, or the name of the error."""
    return result.body["errorType"] if result.kind == "error" else list(result.body)


def test_the_tables_here_name_every_handler_of_the_template() -> None:
    """A function that is added to the template and not here would be deployed unproven."""
    template = expand(yaml_parse((ROOT / "template.yaml").read_text()), {})
    resources = template["Resources"].values()
    handlers = {r["Properties"]["Handler"] for r in resources if r["Type"] == "AWS::Serverless::Function"}
    assert handlers == {*TO_THE_CLUSTER, *TO_AWS}


@pytest.mark.parametrize("handler", TO_THE_CLUSTER)
def test_a_handler_that_asks_the_cluster_runs_from_the_built_layer(
    handler: str, built: Built, kubeconfig: Path
) -> None:
    """The layer leaves most of the Kubernetes client out; what is left must do for every request."""
    event, expected = TO_THE_CLUSTER[handler]
    environment = {**built.environment(), "STEPDRAIN_KUBECONFIG": str(kubeconfig)}
    assert expected in outcome(invoke(built.command(handler), environment, event))


PATIENT = ("start_drain", "sweep", "notify")
"""Functions that no state machine repeats: they ask for seconds before they give up."""


@pytest.mark.parametrize(
    "handler",
    [pytest.param(name, marks=[pytest.mark.long] * (name.split(".")[2] in PATIENT)) for name in TO_AWS],
)
def test_a_handler_that_asks_aws_ends_with_an_error_of_ours_when_nobody_answers(
    handler: str, built: Built
) -> None:
    """The runtime's boto3 must work on the layer's urllib3; a request that fails shows that it was sent."""
    event, expected = TO_AWS[handler]
    assert (
        outcome(invoke(built.command(handler), {**built.environment(), **INTAKE, **NOTIFY}, event, 120))
        == expected
    )


def logged(built: Built, kubeconfig: Path, handler: str, event: Any, log: Path) -> tuple[Result, list[Any]]:
    """The result of an invocation, and what stands in its log, as Lambda's client writes it."""
    environment = {**built.environment(), "STEPDRAIN_KUBECONFIG": str(kubeconfig), **LOGGING}
    with log.open("w") as written:
        result = invoke(built.command(handler), environment, event, log=written)
    return result, [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def test_a_wait_is_no_error_in_the_log_and_has_no_stack_trace(
    built: Built, kubeconfig: Path, tmp_path: Path
) -> None:
    """Lambda's own client writes both for each error, and a drain has one for each attempt of a wait."""
    event = task({**DRAIN, "nodeName": "absent"})
    waits, lines = logged(built, kubeconfig, "stepdrain.steps.find_node.handler", event, tmp_path / "log")
    assert (waits.body["errorType"], waits.body["stackTrace"]) == ("NodeNotRegistered", [])
    (line,) = [line for line in lines if "NodeNotRegistered" in str(line)]
    assert (line["level"], line["error"]) == ("INFO", "NodeNotRegistered")
    assert not [line for line in lines if line["level"] == "ERROR"]


def test_any_other_error_is_one_in_the_log(built: Built, kubeconfig: Path, tmp_path: Path) -> None:
    """Whoever filters for ERROR finds each drain that stopped."""
    event = task({**DRAIN, "node": None})
    _, lines = logged(built, kubeconfig, "stepdrain.steps.cordon.handler", event, tmp_path / "log")
    (line,) = [line for line in lines if line["level"] == "ERROR"]
    assert line["errorType"] == "UnexpectedError"


def test_a_handler_asks_eks_where_the_cluster_is_when_no_kubeconfig_is_given(built: Built) -> None:
    """So it runs in an account: through DescribeCluster, which nobody answers here."""
    result = invoke(built.command("stepdrain.steps.cordon.handler"), built.environment(), task(DRAIN))
    assert outcome(result) == "AwsUnavailable"


@pytest.mark.parametrize("package", ["jsonschema", "rpds", "aws_lambda_powertools"])
def test_a_dependency_that_is_missing_is_found(package: str, built: Built, tmp_path: Path) -> None:
    """These tests would prove nothing if a package of this machine could stand in for the layer's."""
    poorer = tmp_path / "layer"
    shutil.copytree(built.layer, poorer)
    shutil.rmtree(poorer / "python" / package)
    result = invoke(built.command("stepdrain.steps.heartbeat.handler"), built.environment(poorer), task(HELD))
    assert "ImportModuleError" in str(result.body)
    assert package in result.body["errorMessage"]
