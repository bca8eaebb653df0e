"""The template, its configuration and its manual can be read: nothing is unexplained or left over."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest
import yaml
from stepdrain import errors
from stepdrain.reporting import links

from tests.template.stack import ROOT, Stack, expanded, refusals, source

# Types whose CloudFormation resource has no Tags property.
WITHOUT_TAGS = {
    "AWS::AutoScaling::LifecycleHook",
    "AWS::CloudFormation::WaitConditionHandle",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::ManagedPolicy",
    "AWS::KMS::Alias",
    "AWS::Lambda::Permission",
    "AWS::StepFunctions::StateMachineAlias",
    "AWS::StepFunctions::StateMachineVersion",
    "AWS::Logs::QueryDefinition",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Serverless::LayerVersion",
    "AWS::Serverless::Function",  # Globals tag them all.
}
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def interface() -> dict[str, Any]:
    """How the console groups and labels the parameters."""
    described: dict[str, Any] = source()["Metadata"]["AWS::CloudFormation::Interface"]
    return described


def test_every_parameter_has_a_description_a_label_and_a_group() -> None:
    """Whoever deploys from the console sees nothing else."""
    names = set(source()["Parameters"])
    assert all(p["Description"].endswith((".", ").")) for p in source()["Parameters"].values())
    assert set(interface()["ParameterLabels"]) == names
    grouped = [name for group in interface()["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(names)


def test_every_parameter_is_used() -> None:
    """A parameter without effect is a promise that is not kept."""
    text = json.dumps([source()[part] for part in ("Conditions", "Globals", "Resources")])
    unused = [n for n in source()["Parameters"] if f'"Ref": "{n}"' not in text and f"${{{n}}}" not in text]
    assert unused == []


@pytest.mark.parametrize("name", source()["Parameters"])
def test_the_manual_says_what_a_parameter_does_and_its_default(name: str) -> None:
    """docs/operations.md has a row for each."""
    (row,) = re.findall(rf"^\| `{name}` \|([^|]*)\|([^|]+)\|$", OPERATIONS, re.MULTILINE)
    default = str(source()["Parameters"][name].get("Default", "required"))
    assert row[0].strip().strip("`") == (default or "empty")


ABSTRACT = {"DrainError", "HoldsPods", "NotYet", "OfFirstDefinition", "Transient", "Stopped"}
OURS = [n for n, e in vars(errors).items() if isinstance(e, type) and n not in ABSTRACT]
OTHERS = [
    "TIMED_OUT",
    "ABORTED",
    "Lambda.Unknown",
    "Lambda.TooManyRequestsException",
    "Runtime.OutOfMemory",
    "Sandbox.Timedout",
    "States.Timeout",
    "States.Runtime",
    "Stopped",
    "SomebodysOwnError",
]


@pytest.mark.parametrize("error", [*OURS, *OTHERS])
def test_every_error_has_a_section_in_the_manual(error: str) -> None:
    """Notifications link to it: a person who is woken up must not land at the top of a page."""
    headings = re.findall(r"^#{2,4} (.+)$", OPERATIONS, re.MULTILINE)
    # As GitHub makes them: https://docs.github.com/en/get-started/writing-on-github
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert links.anchor(error) in anchors


def test_every_taggable_resource_carries_the_cluster_as_a_tag() -> None:
    """So that costs and permissions can be seen by installation."""
    for name, resource in expanded(GroupNames="blue")["Resources"].items():
        if resource["Type"] not in WITHOUT_TAGS:
            assert "stepdrain:cluster" in json.dumps(resource["Properties"]["Tags"]), name
    assert "stepdrain:cluster" in source()["Globals"]["Function"]["Tags"]


def test_every_suppression_of_checkov_has_its_reason() -> None:
    """A reviewer must not have to guess."""
    skips = [
        skip
        for resource in expanded(GroupNames="blue")["Resources"].values()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert skips
    assert all(len(skip["comment"]) > 20 for skip in skips)
    # Those for all functions stand in a file of checkov's own, each below its reason.
    lines = (ROOT / ".checkov.yaml").read_text().splitlines()
    assert all(lines[n - 1].startswith("  # ") for n, line in enumerate(lines) if line.startswith("  - "))


def test_no_partition_is_written_out() -> None:
    """China and GovCloud have other ARNs; the pattern of a parameter is for all of them."""
    body = json.dumps([source()[part] for part in ("Globals", "Resources", "Outputs")])
    assert "arn:aws" not in body


@pytest.mark.parametrize("environment", ["default", "dev", "prod"])
def test_an_environment_lints_builds_in_parallel_and_may_make_roles(environment: str) -> None:
    """What `sam` does without further arguments."""
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())[environment]
    assert config["validate"]["parameters"]["lint"]
    assert config["build"]["parameters"] == {"cached": True, "parallel": True, "language_extensions": True}
    assert config["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM CAPABILITY_AUTO_EXPAND"
    # The template's loops: without this, sam understands nothing of them.
    assert all(config[command]["parameters"]["language_extensions"] for command in ("validate", "deploy"))


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_parameters_of_an_environment_can_be_deployed(environment: str) -> None:
    """samconfig.toml must not offer what the template refuses."""
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())[environment]
    overrides = dict(pair.split("=", 1) for pair in config["deploy"]["parameters"]["parameter_overrides"])
    assert refusals(**overrides) == []


def test_no_named_iam_resource_needs_a_wider_capability() -> None:
    """CAPABILITY_NAMED_IAM makes people look twice, for good reason."""
    iam = [r for r in expanded(GroupNames="blue")["Resources"].values() if r["Type"].startswith("AWS::IAM::")]
    assert not [r for r in iam if {"RoleName", "ManagedPolicyName"} & set(r["Properties"])]


MANIFESTS = [
    manifest
    for file in sorted((ROOT / "kubernetes").glob("*.yaml"))
    for manifest in yaml.safe_load_all(file.read_text())
]
ROLES = {
    manifest["metadata"]["name"]: manifest for manifest in MANIFESTS if manifest["kind"] == "ClusterRole"
}


def test_each_role_is_bound_to_the_group_of_its_name() -> None:
    """The files and KubernetesGroupPrefix's default are one name."""
    bindings = [manifest for manifest in MANIFESTS if manifest["kind"] == "ClusterRoleBinding"]
    for binding in bindings:
        (subject,) = binding["subjects"]
        assert (subject["kind"], subject["name"]) == ("Group", binding["roleRef"]["name"])
    bound = {binding["roleRef"]["name"] for binding in bindings}
    given = {
        g
        for entry in Stack(NodeConditions="true").of_type("AWS::EKS::AccessEntry").values()
        for g in entry["KubernetesGroups"]
    }
    assert bound == given == set(ROLES)


def test_no_cluster_role_has_a_wildcard() -> None:
    """What a wildcard grants grows with every custom resource."""
    assert "*" not in json.dumps([role["rules"] for role in ROLES.values()])


@pytest.mark.parametrize(
    ("right", "groups"),
    [
        (("delete", "pods"), {"stepdrain-force"}),
        (("patch", "pods/status"), {"stepdrain-force"}),
        (("create", "pods/eviction"), {"stepdrain-evict"}),
        (("patch", "nodes"), {"stepdrain-nodes"}),
        (("patch", "nodes/status"), {"stepdrain-node-conditions"}),
    ],
)
def test_whatever_changes_something_is_granted_to_one_group(right: tuple[str, str], groups: set[str]) -> None:
    """FindNode must not be able to delete a pod."""
    verb, resource = right
    assert groups == {
        name
        for name, role in ROLES.items()
        for rule in role["rules"]
        if verb in rule["verbs"] and resource in rule["resources"]
    }
