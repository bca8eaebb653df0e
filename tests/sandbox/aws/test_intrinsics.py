"""CloudFormation's functions, as template.yaml uses them."""

import pytest

from stepdrain_sandbox.aws.intrinsics import Resolver

PARAMETERS = {"Name": "demo", "Empty": "", "AWS::Region": "eu-west-1", "List": ["a", "b"]}
CONDITIONS = {
    "Named": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Name"}, ""]}]},
    "Nameless": {"Fn::Equals": [{"Ref": "Name"}, ""]},
    "Both": {"Fn::And": [{"Condition": "Named"}, {"Condition": "Nameless"}]},
    "Either": {"Fn::Or": [{"Condition": "Named"}, {"Condition": "Nameless"}]},
}
MAPPINGS = {"Sizes": {"small": {"memory": 256}}}


@pytest.fixture
def resolver():
    """Resolves against the values above; resources answer with what was asked of them."""
    return Resolver(PARAMETERS, CONDITIONS, lambda logical_id, name: f"<{logical_id}.{name}>", MAPPINGS)


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"Ref": "Name"}, "demo"),
        ({"Ref": "Queue"}, "<Queue.Ref>"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "<Queue.Arn>"),
        ({"Fn::GetAtt": "Queue.Arn"}, "<Queue.Arn>"),
        (
            {"Fn::Sub": "${AWS::Region}/${Name}/${Queue.Arn}/${!Literal}"},
            "eu-west-1/demo/<Queue.Arn>/${Literal}",
        ),
        ({"Fn::Sub": ["${A}-${Name}", {"A": {"Ref": "AWS::Region"}}]}, "eu-west-1-demo"),
        ({"Fn::If": ["Named", "yes", "no"]}, "yes"),
        ({"Fn::If": ["Nameless", "yes", "no"]}, "no"),
        ({"Fn::Join": [",", {"Ref": "List"}]}, "a,b"),
        ({"Fn::Split": [",", "a,b"]}, ["a", "b"]),
        ({"Fn::Select": ["1", {"Ref": "List"}]}, "b"),
        ({"Fn::FindInMap": ["Sizes", "small", "memory"]}, 256),
        ({"a": [{"Ref": "Name"}], "Ref": 1}, {"a": ["demo"], "Ref": 1}),
    ],
)
def test_a_function_is_resolved(resolver, node, value):
    """As CloudFormation does."""
    assert resolver.value(node) == value


@pytest.mark.parametrize(
    ("condition", "holds"), [("Named", True), ("Nameless", False), ("Both", False), ("Either", True)]
)
def test_a_condition_holds_or_not(resolver, condition, holds):
    """It decides whether a resource exists."""
    assert resolver.holds(condition) is holds


def test_no_value_leaves_a_property_or_an_item_out(resolver):
    """As if it had not been written."""
    nothing = {"Fn::If": ["Nameless", "x", {"Ref": "AWS::NoValue"}]}
    assert resolver.value({"kept": 1, "left": nothing, "list": [1, nothing]}) == {"kept": 1, "list": [1]}


def test_an_unknown_function_is_named(resolver):
    """A template that grows must not be half understood in silence."""
    with pytest.raises(NotImplementedError, match="does not know Fn::Cidr"):
        resolver.value({"Fn::Cidr": ["10.0.0.0/16", 1, 8]})
