"""A text is parsed once, and whoever gets the result cannot spoil it for the next."""

import datetime
from types import SimpleNamespace
from typing import ClassVar

import pytest
import xmltodict
from botocore.utils import parse_timestamp
from moto.core import responses
from moto.core.serialize import ResponseSerializer, XFormedAttributePicker
from moto.core.utils import get_service_model
from moto.stepfunctions.parser.asl.component.common.flow.start_at import StartAt
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser, ASLParserException
from moto.stepfunctions.responses import StepFunctionResponse

from stepdrain_sandbox.aws import parsers

MACHINE = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}'


@pytest.fixture(autouse=True)
def _patched():
    with parsers.asked_once():
        yield


def test_a_program_is_its_executions_own():
    """A redrive sets where the program starts (aws.redrive); the next one starts at its start."""
    program, tree = AmazonStateLanguageParser.parse(MACHINE)
    program.start_at = StartAt("B")
    again, same_tree = AmazonStateLanguageParser.parse(MACHINE)
    assert again.start_at.start_at_name == "A"
    assert again.states is not program.states
    assert same_tree is tree


def test_a_machine_that_is_wrong_is_wrong_each_time():
    """A cached error would be raised with the traceback of another test."""
    for _ in range(2):
        with pytest.raises(ASLParserException):
            AmazonStateLanguageParser.parse('{"StartAt": }')


def test_a_path_finds_what_is_in_each_document():
    """The parsed path is shared, what it finds is not."""
    (parse, _) = parsers.PATHS.values()
    assert parse("$.a") is parse("$.a")
    assert [parse("$.a").find({"a": value})[0].value for value in (1, 2)] == [1, 2]


def test_a_method_that_is_added_later_is_found(monkeypatch):
    """The account adds operations to moto's classes; an account without them may have been there before."""
    with parsers.asked_once():
        assert "of_ours" not in responses.method_names_from_class(StepFunctionResponse)
    monkeypatch.setattr(StepFunctionResponse, "of_ours", lambda _response: None, raising=False)
    with parsers.asked_once():
        assert "of_ours" in responses.method_names_from_class(StepFunctionResponse)


def arn_of(owner, by=None):
    """The member executionArn as the serializer of an answer finds it."""
    shape = get_service_model("stepfunctions").operation_model("DescribeExecution").output_shape
    picker = XFormedAttributePicker(response_transformers=by)
    serializer = SimpleNamespace(_value_picker=picker, path=["DescribeExecutionOutput"])
    return ResponseSerializer.get_value(serializer, owner, "executionArn", shape.members["executionArn"])


@pytest.mark.parametrize("kind", [dict, SimpleNamespace])
def test_a_member_is_found_by_the_names_of_its_model_and_of_its_object(kind):
    """The first time they are looked for, then they are known."""
    assert [arn_of(kind(execution_arn="a")) for _ in range(2)] == ["a", "a"]


@pytest.mark.parametrize(
    ("path", "found"), [("Output.executionArn", "A"), ("Arn", "A"), ("Input.executionArn", "a")]
)
def test_a_member_is_changed_as_its_path_says(path, found):
    assert arn_of({"executionArn": "a"}, by={path: str.upper}) == found


def test_an_objects_class_has_names_of_its_own():
    """A class that says so, and one that is called as the member begins, beside a class that does neither."""

    class Meta:
        serialization_aliases: ClassVar = {"executionArn": "says_so"}

    said = type("Said", (SimpleNamespace,), {"Meta": Meta})
    begun = type("Execution", (SimpleNamespace,), {})
    owners = (SimpleNamespace(execution_arn="a"), said(says_so="b"), begun(arn="c"), {"executionArn": "d"})
    found = [arn_of(owner) for owner in owners]
    assert found == ["a", "b", "c", "d"]


def test_a_name_that_is_none_is_refused_each_time():
    """It would end the element that is written."""
    for _ in range(2):
        with pytest.raises(ValueError, match="not allowed"):
            xmltodict.unparse({"a b": "text"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-01T00:00:01.500Z", 1767225601.5),
        ("Thu, 01 Jan 2026 00:00:01 GMT", 1767225601),
        ("1767225601", 1767225601),
        (1767225601.5, 1767225601.5),
    ],
)
def test_a_time_is_read_as_before(text, seconds):
    """In each form in which a service writes one, and the same the second time."""
    assert [parse_timestamp(text).timestamp() for _ in range(2)] == [seconds, seconds]


def test_what_is_no_time_is_an_error_each_time():
    """A cached error would be raised with the traceback of another test."""
    for _ in range(2):
        with pytest.raises(ValueError, match="Invalid timestamp"):
            parse_timestamp("yesterday")


def test_what_flows_between_states_is_copied_whole():
    """A state that changes its input must not change another's; what is not JSON is copied as before."""
    inner = {"pods": ["a", {"b": None}], "at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)}
    copied = parsers._copied(inner)
    assert copied == inner
    copied["pods"][1]["b"] = 1
    copied["pods"].append("c")
    assert inner["pods"] == ["a", {"b": None}]
