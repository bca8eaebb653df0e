"""AWS's partitions, as botocore lists them: what a region's host names end in."""

from __future__ import annotations

import re
from functools import cache

import botocore.loaders

from stepdrain.errors import AwsRejected


@cache
def dns_suffix(region: str) -> str:
    """What AWS's host names end in, such as amazonaws.com; AwsRejected if no partition has the region."""
    for partition in botocore.loaders.create_loader().load_data("partitions")["partitions"]:
        if re.fullmatch(partition["regionRegex"].strip("^$"), region):
            return str(partition["outputs"]["dnsSuffix"])
    raise AwsRejected(f"Botocore knows no partition of AWS with a region {region!r}.")
