"""The Terraform module takes what the template takes, no more and no less."""

import re
from pathlib import Path

import pytest

from release.terraform_module import MODULE, OWN, ROOT, parameters, parameters_tf, snake, variables_tf

FOUND = parameters(ROOT / "template.yaml")


def test_the_module_fits_the_template():
    """A parameter that is added to the template alone could not be set by a Terraform user."""
    assert (MODULE / "variables.tf").read_text() == variables_tf(FOUND), "run make terraform"
    assert (MODULE / "parameters.tf").read_text() == parameters_tf(FOUND), "run make terraform"


def test_each_parameter_is_passed_to_the_stack_and_each_variable_is_used():
    """Names are compared in both directions."""
    passed = set(re.findall(r"^    (\w+) += ", parameters_tf(FOUND), re.M))
    assert passed == set(FOUND)
    declared = set(re.findall(r'^variable "(\w+)"', variables_tf(FOUND), re.M))
    assert declared == {snake(name) for name in FOUND if name not in OWN}
    used = set(re.findall(r"\bvar\.(\w+)", "".join(path.read_text() for path in MODULE.glob("*.tf"))))
    own = set(re.findall(r'^variable "(\w+)"', (MODULE / "module_variables.tf").read_text(), re.M))
    assert used == declared | own
    assert not declared & own


def test_terraform_and_the_stack_never_make_the_same_hook():
    """Two makers of one hook would undo each other at every apply."""
    assert {name: OWN[name] for name in ("CreateLifecycleHooks", "CreateLaunchHooks")} == {
        "CreateLifecycleHooks": '"false"',
        "CreateLaunchHooks": '"false"',
    }


@pytest.mark.parametrize(
    ("name", "parameter", "expected"),
    [
        ("Minutes", {"Type": "Number", "MinValue": 2, "MaxValue": 9}, "var.minutes >= 2 && var.minutes <= 9"),
        (
            "OnTimeout",
            {"Type": "String", "AllowedValues": ["a", "b"]},
            'contains(["a", "b"], var.on_timeout)',
        ),
        ("Hook", {"Type": "String", "AllowedPattern": "[a-z]+"}, 'can(regex("^(?:[a-z]+)$", var.hook))'),
        (
            "Tracing",
            {"Type": "String", "AllowedValues": ["true", "false"], "Default": "true"},
            "type        = bool",
        ),
    ],
)
def test_what_the_template_refuses_the_module_refuses_first(name, parameter, expected):
    """An apply that fails after five minutes in CloudFormation teaches slowly."""
    assert expected in variables_tf({name: {"Description": "d", **parameter}})


@pytest.mark.parametrize("pattern", ["(?=x)y", "([a-z]{1,255}(,[a-z]{1,255}){0,4})?"])
def test_a_pattern_that_terraform_cannot_read_is_left_to_cloudformation(pattern):
    """RE2 has no look-around and bounds nested repeats."""
    text = variables_tf({"Names": {"Type": "String", "Description": "d", "AllowedPattern": pattern}})
    assert "validation" not in text


def test_names_are_spelled_as_terraform_spells_them():
    """One rule, so that nobody has to look a name up."""
    assert [snake(name) for name in ("DrainTimeout", "SubnetIds", "EvictDaemonSets")] == [
        "drain_timeout",
        "subnet_ids",
        "evict_daemon_sets",
    ]


def test_no_file_of_the_module_is_formatted_otherwise_than_terraform_would():
    """Two blanks of indentation, no tabs, no blank at a line's end, one at the file's."""
    for path in Path(MODULE).glob("*.tf"):
        text = path.read_text()
        assert "\t" not in text
        assert not re.search(r"[ ]+$", text, re.M), path
        assert text.endswith("}\n"), path
