"""The template that CloudFormation deploys from a bucket is ours, but for where its artefacts lie."""

from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

from release.application import LOCAL, METADATA, PARAMETERS, pointed, with_parameters
from release.inventory import pinned

ROOT = Path(__file__).parents[2]
TEMPLATE = (ROOT / "template.yaml").read_text()


def test_each_local_path_becomes_a_key_in_the_bucket():
    """A path that is left would make the deployment ask for SAM."""
    paths = {found["path"] for found in LOCAL.finditer(TEMPLATE)}
    assert {
        "functions/",
        "layer/",
        "statemachine/drain_node.asl.json",
        "statemachine/admit_node.asl.json",
    } <= paths
    packaged = METADATA.sub("", TEMPLATE)
    for path in sorted(paths):
        packaged = pointed(packaged, path, f"{Path(path).name}-0123456789ab")
    assert not LOCAL.search(packaged)
    assert packaged.count("Bucket: !Ref ArtifactBucket") == len(LOCAL.findall(TEMPLATE))
    assert "BuildMethod" not in packaged
    # What is left over can be read.
    resources = yaml_parse(packaged)["Resources"]
    assert "Metadata" not in resources["StartDrainFunction"]
    assert resources["StartDrainFunction"]["Type"] == "AWS::Serverless::Function"


def test_the_bucket_and_the_prefix_are_parameters():
    """A release lies where its user puts it."""
    assert with_parameters(TEMPLATE).count(PARAMETERS) == 1


def test_nothing_else_of_the_template_is_changed():
    """A reviewer has read template.yaml, and reviews no other."""
    packaged = with_parameters(METADATA.sub("", TEMPLATE))
    kept = [line for line in packaged.replace(PARAMETERS, "").splitlines() if line]
    assert kept == [line for line in METADATA.sub("", TEMPLATE).splitlines() if line]


def test_a_lock_names_each_distribution_once():
    """The bill of materials is made of it."""
    locked = pinned(ROOT / "layer" / "requirements.txt")
    assert "kubernetes" in locked
    assert "boto3" not in locked
