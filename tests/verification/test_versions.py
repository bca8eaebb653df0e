"""One version everywhere: in the code, in the template's output and in what the repository says."""

from stepdrain import VERSION

from stepdrain_cli.verification import versions
from tests.template.stack import source


def test_the_template_says_the_version_of_the_code():
    """Verify compares the two after a deployment."""
    assert source()["Outputs"]["Version"]["Value"] == VERSION
    assert source()["Metadata"]["AWS::ServerlessRepo::Application"]["SemanticVersion"] == VERSION


def test_the_manifests_that_are_compared_are_those_that_the_parameters_ask_for():
    """As docs/operations.md has them applied."""
    assert versions.applied({}, rolls=False) == ["rbac", "force"]
    assert versions.applied({"AllowForce": "false", "NodeConditions": "true"}, rolls=True) == [
        "rbac",
        "roll",
        "node-conditions",
    ]
