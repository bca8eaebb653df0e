"""The runbook's commands: each can be typed as it stands, and each section is played."""

import click
import pytest

from stepdrain_cli.__main__ import cli
from tests.runbook import aws_cli, test_other_worlds, test_stopped, test_waiting
from tests.runbook.sections import PLAYED, SECTIONS, commands

KUBECTL = {"get", "describe", "apply", "delete", "patch", "cordon"}
BLANKS = {"INSTANCE": "i-0123456789abcdef0"}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_has_commands_that_can_be_typed(section):
    """At 3 a.m. nobody should have to look up an option."""
    found = commands(section)
    assert found, "the section has no command"
    for words in found:
        {"stepdrain": ours, "aws": of_aws, "kubectl": of_kubectl, "sam": of_sam}[words[0]](words[1:])


def test_every_section_is_played_from_its_cause_to_its_end():
    """What nobody has typed does not help at night; ``plays`` says which test does it."""
    assert sorted(set(SECTIONS) - set(PLAYED)) == []
    played = {name for file in (test_other_worlds, test_stopped, test_waiting) for name in vars(file)}
    assert set(PLAYED.values()) <= played


def ours(words):
    name, *rest = (BLANKS.get(word, word) for word in words)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, f"there is no command {name}"
    command.make_context(name, rest, help_option_names=["-h", "--help"])


def of_aws(words):
    service, operation, *options = words
    model = aws_cli.operation_of(service, operation)
    assert model is not None, f"aws {service} has no {operation}"
    members = {aws_cli.kebab(member) for member in model.input_shape.members}
    typed = {option.removeprefix("--") for option in options if option.startswith("--")}
    unknown = typed - members - aws_cli.OF_THE_CLI
    assert not unknown, f"aws {service} {operation} has no {unknown}"
    assert {aws_cli.kebab(member) for member in model.input_shape.required_members} <= typed


def of_kubectl(words):
    assert words[0] in KUBECTL


def of_sam(words):
    assert words[0] in {"build", "deploy"}
