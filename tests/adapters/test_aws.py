"""The AWS adapter's own work; its calls are answered by the embedded account in tests/steps."""

import base64
import json
import logging
from datetime import datetime
from types import SimpleNamespace
from urllib.parse import parse_qsl

import boto3
import botocore.auth
import botocore.loaders
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, EndpointConnectionError
from stepdrain.adapters.aws import MODELS, Aws, new_session
from stepdrain.adapters.aws.calls import call
from stepdrain.adapters.aws.partitions import dns_suffix
from stepdrain.errors import AwsDenied, AwsRejected, AwsThrottled, AwsUnavailable


def a_session(region="eu-west-1", token="session-token"):
    return boto3.Session("AKIAIOSFODNN7EXAMPLE", "secret", token, region)


def url_of(token):
    text = token.removeprefix("k8s-aws-v1.")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def cli_url(session, cluster):
    """The URL as ``aws eks get-token`` signs it (aws/aws-cli, awscli/customizations/eks/get_token.py)."""
    client = session.client("sts")
    client.meta.events.register(
        "provide-client-params.sts.GetCallerIdentity",
        lambda params, context, **_: context.update(cluster=params.pop("ClusterName")),
    )
    client.meta.events.register(
        "before-sign.sts.GetCallerIdentity",
        lambda request, **_: request.headers.add_header("x-k8s-aws-id", request.context["cluster"]),
    )
    return client.generate_presigned_url(
        "get_caller_identity", Params={"ClusterName": cluster}, ExpiresIn=60, HttpMethod="GET"
    )


@pytest.mark.parametrize(
    "region", ["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-iso-east-1"]
)
@pytest.mark.parametrize("token", ["session-token", None])
def test_a_token_is_byte_for_byte_the_one_of_the_aws_cli(monkeypatch, region, token):
    """EKS checks a token strictly; whatever the CLI sends is known to be taken, in each partition."""
    frozen = datetime(2026, 1, 1)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: frozen)
    session = a_session(region, token)
    assert url_of(Aws(session).kube_token("demo")) == cli_url(session, "demo")


@pytest.mark.parametrize("partition", botocore.loaders.create_loader().load_data("partitions")["partitions"])
def test_each_partition_that_botocore_lists_has_its_own_hosts(partition):
    """No list of our own: a new partition comes with a new botocore."""
    region = next(region for region in partition["regions"] if "-global" not in region)
    assert dns_suffix(region) == partition["outputs"]["dnsSuffix"]


def test_a_region_of_no_partition_is_refused():
    """Better than a token for a host that does not exist."""
    with pytest.raises(AwsRejected, match="no partition of AWS with a region 'moon-1'"):
        dns_suffix("moon-1")


def test_a_token_needs_credentials(monkeypatch):
    """A sentence instead of botocore's attribute error on None."""
    session = a_session()
    monkeypatch.setattr(session, "get_credentials", lambda: None)
    with pytest.raises(AwsDenied, match="no AWS credentials"):
        Aws(session).kube_token("demo")


class Refusing:
    """A client whose one operation fails."""

    def __init__(self, error):
        self.error = error

    def operate(self):
        raise self.error


def client_error(code, status=400):
    response = {"Error": {"Code": code, "Message": "why"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Operate")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (client_error("Throttling"), AwsThrottled),
        (client_error("ResourceContention", 500), AwsThrottled),
        (client_error("AccessDenied", 403), AwsDenied),
        (client_error("ExpiredToken", 403), AwsDenied),
        # What is left of a role that was deleted by hand.
        (client_error("InvalidClientTokenId", 403), AwsDenied),
        (client_error("UnrecognizedClientException", 400), AwsDenied),
        (client_error("ValidationError"), AwsRejected),
        (client_error("InternalFailure", 500), AwsUnavailable),
        (EndpointConnectionError(endpoint_url="https://eks"), AwsUnavailable),
    ],
)
def test_errors_of_aws_become_the_names_the_state_machine_knows(error, expected):
    """botocore's own class names are not stable enough to stand in ErrorEquals."""
    with pytest.raises(expected):
        call(Refusing(error), "operate")


OURS = json.loads((MODELS / "ec2" / "2016-11-15" / "service-2.json").read_text())
THEIRS = botocore.loaders.Loader().load_service_model("ec2", "service-2")


def without_texts(shape):
    """A shape or operation of a service's model, without its documentation."""
    if isinstance(shape, list):
        return [without_texts(member) for member in shape]
    if not isinstance(shape, dict):
        return shape
    return {key: without_texts(value) for key, value in shape.items() if key != "documentation"}


def test_a_session_reads_the_small_model_of_ec2():
    """botocore's own would take FindNode over 75 MB; a renamed directory would bring it back in silence."""
    operations = new_session().client("ec2", region_name="eu-west-1").meta.method_to_api_mapping
    assert sorted(operations.values()) == ["DescribeInstanceStatus", "DescribeInstances"]


def test_the_small_model_says_what_the_installed_botocore_says():
    """It was cut from botocore's, and must be cut again where that changes."""
    theirs = without_texts(THEIRS)
    assert OURS["metadata"] == theirs["metadata"]
    assert OURS["operations"].items() <= theirs["operations"].items()
    for name, shape in OURS["shapes"].items():
        full = theirs["shapes"][name]
        assert shape.get("members", {}).items() <= full.get("members", {}).items(), name
        assert {**shape, "members": 0} == {**full, "members": 0}, name


PAGE = """<DescribeInstancesResponse><reservationSet><item><instancesSet><item>
<instanceId>{instance}</instanceId><tagSet><item><key>eks:cluster-name</key><value>demo</value></item></tagSet></item></instancesSet></item>
</reservationSet>{token}</DescribeInstancesResponse>"""


@pytest.fixture
def ec2(monkeypatch):
    """An account whose EC2 answers in two pages; gives it, and the parameters of each request."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    session, requests = new_session(), []

    def answer(request, **_):
        requests.append(dict(parse_qsl(request.body)))
        first = len(requests) == 1
        token = "<nextToken>more</nextToken>" if first else ""
        text = PAGE.format(instance="i-1" if first else "i-2", token=token)
        response = AWSResponse(request.url, 200, {}, None)
        response._content = text.encode()
        return response

    session.events.register("before-send.ec2.DescribeInstances", answer)
    return Aws(session), requests


@pytest.mark.parametrize(
    ("ask", "name", "value"),
    [
        (lambda account: account.instance_tags(["i-1"]), "instance-id", "i-1"),
        (lambda account: account.instances_in("cr-1"), "capacity-reservation-id", "cr-1"),
    ],
)
def test_the_small_model_holds_what_a_question_by_filter_needs(ec2, ask, name, value):
    """A field that it lacks would be left out of the request, or of the answer, without an error."""
    account, requests = ec2
    assert ask(account) == {instance: {"eks:cluster-name": "demo"} for instance in ("i-1", "i-2")}
    assert (requests[0]["Filter.1.Name"], requests[0]["Filter.1.Value.1"]) == (name, value)
    assert requests[1]["NextToken"] == "more"


class Describing:
    """A client for Auto Scaling whose boto3 knows the members of ``known``; notes what it is asked."""

    def __init__(self, known):
        self.meta, self.asked = self, []
        self.service_model = self
        self.input_shape = SimpleNamespace(members=known)

    def operation_model(self, _name):
        return self

    def describe_auto_scaling_groups(self, **asked):
        self.asked.append(asked)
        return {"AutoScalingGroups": [{"Tags": [{"Key": "a"}], "TargetGroupARNs": ["arn"]}]}


@pytest.mark.parametrize(
    ("known", "more"),
    [
        ({"AutoScalingGroupNames", "IncludeInstances"}, {"IncludeInstances": False}),
        ({"AutoScalingGroupNames"}, {}),
    ],
)
def test_a_groups_instances_are_not_asked_for_where_boto3_can_say_so(known, more):
    """They would make each drain dearer the larger its group is; an older boto3 refuses the parameter."""
    account = Aws(a_session())
    account._auto_scaling = client = Describing(known)
    assert account.group_tags("workers") == {"a": ""}
    assert account.group_target_groups("workers") == ["arn"]
    assert client.asked == [{"AutoScalingGroupNames": ["workers"], **more}] * 2


def test_a_session_says_nothing_of_its_credentials(caplog, monkeypatch):
    """botocore's "Found credentials in environment variables." came with each container, and said nothing."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(logging.getLogger("botocore.credentials"), "level", logging.INFO)
    with caplog.at_level(logging.INFO):
        assert new_session().get_credentials() is not None
    assert [record.message for record in caplog.records if record.name.startswith("botocore")] == []
