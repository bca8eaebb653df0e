"""AWS partitions from botocore's list: the DNS suffix of a region."""

from __future__ import annotations

import re
from functools import cache

import botocore.loaders

from stepdrain.errors import AwsRejected


@cache
def dns_suffix(region: str) -> str:
    """The DNS suffix of a region, such as amazonaws.com; raises AwsRejected for an unknown region."""
    for partition in botocore.loaders.create_loader().load_data("partitions")["partitions"]:
        if re.fullmatch(partition["regionRegex"].strip("^$"), region):
            return str(partition["outputs"]["dnsSuffix"])
    raise AwsRejected(f"Botocore knows no partition of AWS with a region {region!r}.")
