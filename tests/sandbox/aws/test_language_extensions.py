"""Loops are written out as CloudFormation does it, and what it would refuse is refused here."""

from __future__ import annotations

from typing import Any

import pytest

from stepdrain_sandbox.aws import expand as command
from stepdrain_sandbox.aws.language_extensions import TRANSFORM, TemplateRefused, expand

QUEUE = {"Type": "AWS::SQS::Queue"}


def template(collection: Any, body: dict[str, Any], **resources: Any) -> dict[str, Any]:
    """A template with one loop over ``collection``, and other resources besides."""
    return {
        "Transform": [TRANSFORM, "AWS::Serverless-2016-10-31"],
        "Parameters": {"Names": {"Type": "CommaDelimitedList", "Default": ""}, "Keep": {"Type": "String"}},
        "Mappings": {"Sizes": {"A": {"MB": 512}}},
        "Resources": {"Fn::ForEach::Loop": ["Name", collection, body], **resources},
    }


def resources(collection: Any, body: dict[str, Any], **parameters: str) -> dict[str, Any]:
    """What the loop makes."""
    expanded: dict[str, Any] = expand(template(collection, body), parameters)["Resources"]
    return expanded


def test_a_loop_makes_a_resource_for_each_item() -> None:
    """The page's own example: the variable in the key, in Ref and in Fn::Sub."""
    body = {
        "Topic${Name}": {
            "Properties": {"A": {"Ref": "Name"}, "B": {"Fn::Sub": "${Name}.${AWS::Region}"}},
        }
    }
    assert resources(["Success", "Failure"], body) == {
        f"Topic{name}": {"Properties": {"A": name, "B": {"Fn::Sub": f"{name}.${{AWS::Region}}"}}}
        for name in ("Success", "Failure")
    }


def test_a_list_comes_from_a_parameter_and_its_keys_are_letters_and_digits_alone() -> None:
    """The value keeps its other characters."""
    made = resources({"Ref": "Names"}, {"Q&{Name}": {"N": {"Ref": "Name"}}}, Names="web-1, db.x")
    assert made == {"Qweb1": {"N": "web-1"}, "Qdbx": {"N": "db.x"}}


def test_names_of_resources_are_put_together_by_sub_within_ref_and_getatt() -> None:
    """Both take a function under this transform."""
    body = {
        "Q${Name}": {
            "R": {"Ref": {"Fn::Sub": "${Name}Role"}},
            "G": {"Fn::GetAtt": [{"Fn::Sub": "${Name}Role"}, "Arn"]},
        }
    }
    assert resources(["A"], body) == {"QA": {"R": {"Ref": "ARole"}, "G": {"Fn::GetAtt": ["ARole", "Arn"]}}}


def test_a_mapping_is_looked_up_where_its_keys_are_known() -> None:
    """What differs between the things that a loop makes; a key of the account's waits until then."""
    later = {"Fn::FindInMap": ["Sizes", {"Ref": "AWS::Region"}, "MB"]}
    body = {"F${Name}": {"M": {"Fn::FindInMap": ["Sizes", {"Ref": "Name"}, "MB"]}, "L": later}}
    assert resources(["A"], body) == {"FA": {"M": 512, "L": later}}


def test_loops_within_loops_are_written_out() -> None:
    """For each of the one, each of the other."""
    inner = {"Fn::ForEach::Inner": ["Other", ["X", "Y"], {"Q${Name}${Other}": QUEUE}]}
    assert set(resources(["A", "B"], inner)) == {"QAX", "QAY", "QBX", "QBY"}


def test_a_deletion_policy_may_be_a_parameter() -> None:
    """SAM's own transform takes only a text there."""
    kept = {**QUEUE, "DeletionPolicy": {"Ref": "Keep"}, "UpdateReplacePolicy": {"Ref": "Keep"}}
    one = expand(template([], {}, Q=kept), {"Keep": "Retain"})
    assert one["Resources"]["Q"]["DeletionPolicy"] == one["Resources"]["Q"]["UpdateReplacePolicy"] == "Retain"
    assert one["Transform"] == ["AWS::Serverless-2016-10-31"]


@pytest.mark.parametrize(
    ("collection", "body", "sentence"),
    [
        (["web-1", "web1"], {"Q&{Name}": QUEUE}, "makes Qweb1 a second time, for web-1 and web1"),
        (["a", "a"], {"Q${Name}": QUEUE}, "for a and a"),
        (["a-b"], {"Q${Name}": QUEUE}, "Qa-b is not a logical id"),
        (["x" * 255], {"Q${Name}": QUEUE}, "1 to 255 letters and digits"),
        ({"Ref": "Queue"}, {"Q${Name}": QUEUE}, "Queue is not a parameter"),
        ({"Ref": "Keep"}, {"Q${Name}": QUEUE}, "is not a list"),
        (["B"], {"F${Name}": {"Fn::FindInMap": ["Sizes", {"Ref": "Name"}, "MB"]}}, "Sizes has no B, MB"),
        (["a"], {"Q${Name}": {"DependsOn": "R&{Name}"}}, "outside of Fn::Sub"),
        (["a"], {"Q${Name}": {"DependsOn": "R${Name}"}}, "outside of Fn::Sub"),
    ],
)
def test_what_cannot_be_written_out_is_refused_with_a_sentence(
    collection: Any, body: dict[str, Any], sentence: str
) -> None:
    """Else the embedded world would take what an account does not."""
    with pytest.raises(TemplateRefused, match=sentence):
        resources(collection, body, Keep="x")


def test_the_reviewers_command_prints_what_is_deployed(capsys: pytest.CaptureFixture[str]) -> None:
    """`make expand`; whatever cannot be written out is one sentence."""
    assert command.main(["GroupNames=web-1"]) == 0
    printed = capsys.readouterr().out
    assert "LifecycleHookweb1:" in printed
    assert "ForEach" not in printed
    assert command.main(["GroupNames=web-1,web1"]) == 1
    assert "for web-1 and web1" in capsys.readouterr().err
    assert command.main(["GroupName=web-1"]) == 1
    assert capsys.readouterr().err == "The template has no parameter GroupName.\n"
