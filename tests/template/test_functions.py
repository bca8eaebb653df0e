"""The functions, their state machine and their event rule fit together."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from stepdrain.document.progress import HOLD_INSTANCE
from stepdrain.intake import settings
from stepdrain.rules import policy

from tests.template.stack import ROOT, Stack, expanded, source

FUNCTION = "AWS::Lambda::Function"
TALK_TO_KUBERNETES = {
    "FindNode",
    "Label",
    "Cordon",
    "EvictBatch",
    "WaitForPods",
    "WaitForVolumes",
    "WaitForTargets",
    "Notify",
    "WaitForNode",
    "Uncordon",
}


def tasks(machine: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The states that invoke a function."""
    return {name: state for name, state in machine["States"].items() if state["Type"] == "Task"}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"GroupPrefix": "nodes-"},
        {"GroupNames": "a,b,c,d,e", "CreateLifecycleHooks": "true"},
        {"SubnetIds": "subnet-0a1b2c3d", "SecurityGroupIds": "sg-0a1b2c3d", "Tracing": "true"},
        {"AWS::Partition": "aws-cn", "AWS::Region": "cn-north-1", "AWS::URLSuffix": "amazonaws.com.cn"},
        {"AWS::Partition": "aws-us-gov", "AWS::Region": "us-gov-west-1"},
    ],
)
def test_the_template_resolves_for_these_parameters(parameters: dict[str, str]) -> None:
    """Nothing refers to a resource that its own condition leaves out."""
    stack = Stack(**parameters)
    text = json.dumps([stack.resources, stack.outputs])
    refers = {name.split(".")[0] for name in re.findall(r"<([A-Za-z0-9.]+)>", text)}
    assert refers <= set(stack.resources)
    assert "Fn::" not in text


@pytest.mark.parametrize("definition", ["drain_node", "admit_node"])
def test_every_state_has_a_function_named_as_its_module(definition: str) -> None:
    """One name in four places: state, function, module, test. HoldInstance calls Heartbeat's."""
    machine = json.loads((ROOT / "statemachine" / f"{definition}.asl.json").read_text())
    for state in tasks(machine).keys() - {HOLD_INSTANCE}:
        module = re.sub(r"(?<!^)(?=[A-Z])", "_", state).lower()
        properties = Stack().of_type(FUNCTION)[f"{state}Function"]
        assert properties["Handler"] == f"stepdrain.steps.{module}.handler"
        assert (ROOT / "functions" / "stepdrain" / "steps" / f"{module}.py").exists()


@pytest.mark.parametrize("name", ["DrainNode", "AdmitNode"])
def test_the_template_fills_every_placeholder_of_a_state_machine_and_no_other(name: str) -> None:
    """CloudFormation leaves an unknown placeholder in the text, and the first drain fails on it."""
    text = (ROOT / "statemachine" / f"{name.replace('Node', '_node').lower()}.asl.json").read_text()
    substitutions = expanded()["Resources"][name]["Properties"]["DefinitionSubstitutions"]
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(substitutions)


def test_a_function_ends_before_its_state_gives_up(stack: Stack, machine: dict[str, Any]) -> None:
    """So the console shows that the function ran out of time, and its log has the line that says so."""
    functions = stack.of_type(FUNCTION)
    for name, state in tasks(machine).items():
        function = "Heartbeat" if name == HOLD_INSTANCE else name
        assert functions[f"{function}Function"]["Timeout"] < state["TimeoutSeconds"], name


def test_start_drain_understands_its_environment(stack: Stack) -> None:
    """The very text that the template sets goes through the very code that reads it."""
    environment = stack.of_type(FUNCTION)["StartDrainFunction"]["Environment"]["Variables"]
    intake = settings.intake(environment, {}.__getitem__)
    assert intake.cluster == "demo"
    assert intake.hook_name == "stepdrain"
    assert intake.group_names == ()
    assert intake.state_machine_arn == "<DrainNodeAliaslive>"


def test_sweep_has_the_environment_of_start_drain(stack: Stack) -> None:
    """Both start the same drains: a setting that one lacks would make the other's differ."""
    functions = stack.of_type(FUNCTION)
    assert functions["SweepFunction"]["Environment"] == functions["StartDrainFunction"]["Environment"]


def test_the_defaults_of_a_drain_are_the_same_in_template_and_code(stack: Stack) -> None:
    """`stepdrain run` takes the code's, an installation the template's: nobody expects a difference."""
    environment = stack.of_type(FUNCTION)["StartDrainFunction"]["Environment"]["Variables"]
    assert set(policy.ENVIRONMENT.values()) <= set(environment)
    assert policy.from_environment(environment) == policy.Policy()


def test_every_function_knows_its_cluster_and_its_log_group(stack: Stack) -> None:
    """What Lambda makes by itself has no retention and no encryption."""
    for name, function in stack.of_type(FUNCTION).items():
        assert function["Environment"]["Variables"]["STEPDRAIN_CLUSTER"] == "demo"
        assert function["LoggingConfig"]["LogFormat"] == "JSON"
        assert function["LoggingConfig"]["LogGroup"] == f"<{name.replace('Function', 'LogGroup')}>"
        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == ["arm64"]


def test_only_functions_that_talk_to_kubernetes_stand_in_the_vpc(stack: Stack, full: Stack) -> None:
    """The others need no endpoint of yours to reach AWS."""
    inside = {n for n, f in full.of_type(FUNCTION).items() if "VpcConfig" in f}
    assert inside == {f"{name}Function" for name in TALK_TO_KUBERNETES}
    assert not [f for f in stack.of_type(FUNCTION).values() if "VpcConfig" in f]
    config = full.of_type(FUNCTION)["CordonFunction"]["VpcConfig"]
    assert config == {
        "SubnetIds": ["subnet-0a1b2c3d", "subnet-1a2b3c4d"],
        "SecurityGroupIds": ["sg-0a1b2c3d"],
    }


def test_an_access_entry_maps_each_role_that_talks_to_kubernetes(stack: Stack) -> None:
    """Without one the cluster answers 401; a role that needs none must not have one."""
    entries = stack.of_type("AWS::EKS::AccessEntry").values()
    assert {e["PrincipalArn"] for e in entries} == {f"<{n}Role.Arn>" for n in TALK_TO_KUBERNETES}
    assert not Stack(CreateAccessEntries="false").of_type("AWS::EKS::AccessEntry")


GROUPS = {
    "FindNode": {"read"},
    "WaitForNode": {"read"},
    "Label": {"nodes"},
    "Cordon": {"read", "nodes", "node-conditions"},
    "Uncordon": {"read", "nodes", "node-conditions"},
    "EvictBatch": {"read", "evict", "roll", "force", "node-conditions"},
    "WaitForPods": {"read", "node-conditions"},
    "WaitForVolumes": {"read", "node-conditions"},
    "WaitForTargets": {"read", "node-conditions"},
    "Notify": {"read", "node-conditions"},
}


def groups(**parameters: str) -> dict[str, set[str]]:
    """The Kubernetes groups of each function, without their prefix."""
    entries = Stack(KubernetesGroupPrefix="p", **parameters).of_type("AWS::EKS::AccessEntry")
    return {
        name.removesuffix("Access"): {group.removeprefix("p-") for group in entry["KubernetesGroups"]}
        for name, entry in entries.items()
    }


def test_each_function_is_in_the_groups_that_it_needs_alone() -> None:
    """One table: a change here is a decision. tests/world/test_rbac.py proves that none can be left out."""
    assert groups(NodeConditions="true") == GROUPS
    assert groups() == {name: names - {"node-conditions"} for name, names in GROUPS.items()}
    assert groups(AllowForce="false") == {
        name: names - {"node-conditions", "force"} for name, names in GROUPS.items()
    }


def test_the_manual_says_which_groups_a_role_is_in() -> None:
    """Who maps the roles by hand has only the manual."""
    manual = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| ([A-Z][\w, ]+) \| (`stepdrain-.+) \|$", manual, re.MULTILINE)
    labelled = {
        name: set(re.findall(r"`stepdrain-([\w-]+)`", said))
        for names, said in rows
        for name in names.split(", ")
    }
    assert labelled == groups()


def test_the_lease_table_exists_only_where_drains_are_limited(stack: Stack) -> None:
    """By default nothing is limited, and nothing more can fail."""
    assert "LeaseTable" not in stack.resources
    limited = Stack(MaxConcurrentDrains="2")
    table = limited.of_type("AWS::DynamoDB::Table")["LeaseTable"]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expiresAt", "Enabled": True}
    for name in ("EvictBatchFunction", "CompleteActionFunction"):
        variables = limited.of_type(FUNCTION)[name]["Environment"]["Variables"]
        assert variables["STEPDRAIN_LEASE_TABLE"] == "<LeaseTable>"
        assert stack.of_type(FUNCTION)[name]["Environment"]["Variables"]["STEPDRAIN_LEASE_TABLE"] == ""


def test_every_function_knows_the_cache_whose_items_expire(stack: Stack) -> None:
    """A function that does not would ask EKS in each new container, with all others of a storm."""
    table = stack.of_type("AWS::DynamoDB::Table")["CacheTable"]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expiresAt", "Enabled": True}
    for function in stack.of_type(FUNCTION).values():
        assert function["Environment"]["Variables"]["STEPDRAIN_CACHE_TABLE"] == "<CacheTable>"


def test_the_layer_serves_both_processors(stack: Stack) -> None:
    """The parameter alone chooses one."""
    assert Stack(Architecture="x86_64").of_type(FUNCTION)["CordonFunction"]["Architectures"] == ["x86_64"]
    (layer,) = stack.of_type("AWS::Lambda::LayerVersion").values()
    assert layer["CompatibleArchitectures"] == ["arm64", "x86_64"]


def test_functions_and_layer_are_built_by_the_one_makefile() -> None:
    """SAM's own Python build needs an interpreter of the runtime's version, which many machines lack."""
    built = [r for r in expanded()["Resources"].values() if r["Type"] == "AWS::Serverless::Function"]
    assert {(r["Metadata"]["BuildMethod"], r["Metadata"]["ContextPath"]) for r in built} == {
        ("makefile", "layer")
    }
    assert expanded()["Resources"]["DependencyLayer"]["Metadata"]["BuildMethod"] == "makefile"
    assert source()["Globals"]["Function"]["CodeUri"] == "functions/"


def test_a_function_in_a_loop_names_its_code() -> None:
    """`sam build` writes where it has put the code into that property, and not into Globals: without it
    `sam deploy` would look for a folder that was never built."""
    loops = [resource for name, resource in source()["Resources"].items() if name.startswith("Fn::ForEach::")]
    functions = [
        resource
        for _, _, body in loops
        for resource in body.values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]
    assert functions
    assert {function["Properties"]["CodeUri"] for function in functions} == {"functions/"}


def test_the_machine_is_standard_logged_without_data_and_started_by_its_alias(stack: Stack) -> None:
    """EXPRESS cannot be redriven; inputs hold the token; an alias keeps a running drain's definition."""
    for machine in stack.of_type("AWS::StepFunctions::StateMachine").values():
        assert machine["StateMachineType"] == "STANDARD"
        assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert stack.of_type("AWS::StepFunctions::StateMachineAlias")["DrainNodeAliaslive"]["Name"] == "live"


def test_no_function_reaches_for_a_kubeconfig(stack: Stack) -> None:
    """STEPDRAIN_KUBECONFIG is for other clusters; an installation talks to its EKS cluster."""
    assert "KUBECONFIG" not in json.dumps(stack.of_type(FUNCTION))
