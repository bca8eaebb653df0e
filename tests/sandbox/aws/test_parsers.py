"""A text is parsed once, and whoever gets the result cannot spoil it for the next."""

import pytest
from moto.stepfunctions.parser.asl.component.common.flow.start_at import StartAt
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser, ASLParserException

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
