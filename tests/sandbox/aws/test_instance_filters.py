"""Filters of DescribeInstances, as EC2's page has them."""

import pytest
from moto.ec2 import utils

from stepdrain_sandbox.aws.instance_filters import with_wildcards

NAME = "ip-10-1-2-3.ec2.internal"


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (NAME, True),
        ("ip-10-1-2-3.*", True),
        ("ip-10-1-2-?.ec2.internal", True),
        ("ip-10-1-2-3", False),
        ("IP-10-1-2-3.*", False),
        ("ip-10-1-2-3xec2.internal", False),
    ],
)
def test_a_name_is_found_by_its_beginning(wanted, fits):
    """A star is any number of characters, a question mark one or none, a dot itself, and case counts."""
    with with_wildcards():
        assert utils.instance_value_in_filter_values(NAME, ["nope", wanted]) is fits
