"""The stack's access entries, as EKS lists and describes them, in this process and over HTTP."""

import json
from datetime import UTC, datetime
from urllib.parse import quote

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from stepdrain_sandbox.aws import own_api
from stepdrain_sandbox.session import serving
from stepdrain_sandbox.world import OPERATOR_KEY, World

UNPATCHED = BaseClient._make_api_call
ROLE = "arn:aws:iam::123456789012:role/{}"


@pytest.fixture(scope="module")
def world():
    with World(nodes=1) as world:
        yield world


@pytest.fixture(params=["embedded", "served"])
def eks(request, world):
    """A client of EKS: in this process, and as another process's."""
    if request.param == "embedded":
        yield boto3.client("eks", region_name="eu-west-1")
        return
    with serving(world) as variables, pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", UNPATCHED)
        keys = {"aws_access_key_id": OPERATOR_KEY, "aws_secret_access_key": "sandbox"}
        yield boto3.client("eks", region_name="eu-west-1", endpoint_url=variables["AWS_ENDPOINT_URL"], **keys)


def test_the_entries_are_those_of_the_stacks_roles_page_by_page(eks, world):
    """One for each role that talks to Kubernetes; a token leads to the next page."""
    whole = eks.list_access_entries(clusterName="demo")
    assert "nextToken" not in whole
    assert set(whole["accessEntries"]) == set(world.aws.deployment.outputs["KubernetesRoleArns"].split(","))
    paged = eks.get_paginator("list_access_entries").paginate(
        clusterName="demo", PaginationConfig={"PageSize": 3}
    )
    pages = [page["accessEntries"] for page in paged]
    assert [len(page) for page in pages[:-1]] == [3] * (len(pages) - 1)
    assert [arn for page in pages for arn in page] == whole["accessEntries"]
    policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
    assert eks.list_access_entries(clusterName="demo", associatedPolicyArn=policy)["accessEntries"] == []


def test_an_entry_is_described_with_the_groups_that_the_template_gives(eks):
    """As the page of DescribeAccessEntry shows it."""
    arn = next(
        arn for arn in eks.list_access_entries(clusterName="demo")["accessEntries"] if "EvictBatch" in arn
    )
    entry = eks.describe_access_entry(clusterName="demo", principalArn=arn)["accessEntry"]
    assert (entry["principalArn"], entry["type"]) == (arn, "STANDARD")
    assert "stepdrain-evict" in entry["kubernetesGroups"]
    assert "{{SessionName}}" in entry["username"]
    assert entry["createdAt"] == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_time_is_written_as_a_number(world):
    """As a REST service writes it; another client than botocore reads nothing else."""
    arn = quote(next(iter(world.aws.deployment.access_entries))[1], safe="")
    request = own_api.Request("eks", "GET", f"/clusters/demo/access-entries/{arn}", {}, b"")
    status, _, content = own_api.answer(world.aws.own_answers, request)
    assert (status, json.loads(content)["accessEntry"]["createdAt"]) == (200, 1_767_225_600)


@pytest.mark.parametrize(
    ("operation", "asked", "said"),
    [
        ("list_access_entries", {"clusterName": "nope"}, "No cluster found for name: nope."),
        (
            "describe_access_entry",
            {"clusterName": "demo", "principalArn": ROLE.format("nope")},
            "principalArn could not be found",
        ),
    ],
    ids=["a cluster", "a role"],
)
def test_what_is_not_there_is_refused_as_eks_does(eks, operation, asked, said):
    """404 by the name that the model has, and not moto's "Not yet implemented"."""
    with pytest.raises(ClientError, match=said) as refused:
        getattr(eks, operation)(**asked)
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


@pytest.mark.parametrize("asked", [{"maxResults": 101}, {"nextToken": "x"}], ids=["page", "token"])
def test_a_page_that_cannot_be_is_refused(eks, asked):
    """100 entries are the most."""
    with pytest.raises(ClientError) as refused:
        eks.list_access_entries(clusterName="demo", **asked)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterException"
